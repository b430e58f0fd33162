//! The command line of `holdfast reconcile`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::super::ground::Ground;
#[cfg(feature = "sandbox")]
use super::super::sandbox::SandboxKind;
use super::super::{AllowExec, Kubeconfig, Manifest, Output, Reach};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  holdfast reconcile -f production.yaml --dry-run           what differs, and what would be done
  holdfast reconcile -f production.yaml --dry-run --detailed-exitcode
  holdfast reconcile -f production.yaml --dry-run -o markdown   a comment for a pull request
  holdfast reconcile -f production.yaml --only s3 --skip 's3.buckets/legacy-*'
  holdfast reconcile -f production.yaml --approve 3f2a...   consents to exactly that plan
  holdfast reconcile -f production.yaml --sandbox           on an AWS inside this process
  holdfast reconcile -f production.yaml --sandbox=live      the same, with real Redis servers in it

Exit codes, the first that is true:
  1    the run failed and nothing was done
  4    some of it failed
  5    a migration was rolled back
  3    something is blocked: consent or reading is missing
  2    changes are pending (only with --detailed-exitcode)
  0    done, or in sync
  64   the command line is wrong
  130  interrupted")]
pub struct Args {
    #[command(flatten)]
    pub(super) manifest: Manifest,
    /// Only look: nothing is changed, and no journal is opened.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// The form of the result; `holdfast schema plan` and `holdfast schema report` describe the JSON.
    #[arg(short = 'o', long, value_enum, default_value_t = Form::Text)]
    pub(super) output: Form,
    /// The manifests of the branch that a commit is made on: what this commit changes is held apart from what differed before. Reads the account twice.
    #[arg(long, value_name = "FILE|DIR", requires = "dry_run")]
    pub(super) compare_to: Option<PathBuf>,
    /// Exit with 2 when changes are pending.
    #[arg(long)]
    pub(super) detailed_exitcode: bool,
    /// Only these resources: a group (s3), a kind (s3.buckets) or a resource (s3.buckets/huntaze-*). Repeatable; one that names nothing ends the run before
    /// anything is done.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub(super) only: Vec<String>,
    /// All but these resources, in the same words. One that names nothing ends the run, too; a group or kind that is in another manifest is only said.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub(super) skip: Vec<String>,
    /// Consent to the plan with this hash, once. Repeatable: each object has a plan of its own. If the live difference is another one by then, nothing is
    /// done. What waits for a change window is done in it by a run within a day; `holdfast journal revoke HASH` takes the consent back.
    #[arg(long, value_name = "HASH", value_parser = hash)]
    pub(super) approve: Vec<String>,
    /// Where the journal is kept; with --sandbox, in its folder `sandbox` [default: state, so state/sandbox with --sandbox].
    #[arg(long, env = "HOLDFAST_STATE_DIR", hide_env_values = true, value_name = "DIR")]
    pub(super) state_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) kubeconfig: Kubeconfig,
    #[command(flatten)]
    pub(super) exec: AllowExec,
    /// Run against an AWS inside this process, set up as examples/accounts/huntaze-as-found.yaml says. What a run changes there is kept in
    /// the state folder; `holdfast sandbox reset` forgets it.
    #[cfg(feature = "sandbox")]
    #[arg(long, value_enum, value_name = "KIND", num_args = 0..=1, require_equals = true, default_missing_value = "quick")]
    pub(super) sandbox: Option<SandboxKind>,
    /// What goes wrong in the sandbox. No option: completion scripts would offer it.
    #[cfg(feature = "sandbox")]
    #[arg(skip = std::env::var("HOLDFAST_SANDBOX_FAULTS").unwrap_or_default())]
    pub(super) sandbox_faults: String,
    /// List what is in sync, too, and show long values whole.
    #[arg(short, long)]
    pub(super) verbose: bool,
}

/// The form of a run's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// A comment for a pull request.
    Markdown,
    /// SARIF 2.1.0: each finding at its line of the manifest.
    Sarif,
    /// JUnit XML: a test a resource.
    Junit,
}

impl From<Output> for Form {
    fn from(output: Output) -> Form {
        match output {
            Output::Text => Form::Text,
            Output::Json => Form::Json,
        }
    }
}

/// A plan's hash, as it was printed.
fn hash(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    match text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(text),
        false => Err("expected the 64 hexadecimal digits after `plan` in the output of a dry run".to_owned()),
    }
}

impl Args {
    /// A run over one resource, for a command that has noted what is to become of it.
    pub(in crate::cli) fn only(
        manifest: Manifest,
        only: String,
        state_dir: Option<PathBuf>,
        in_sandbox: bool,
        output: Output,
        reach: Reach,
    ) -> Args {
        #[cfg(not(feature = "sandbox"))]
        let _ = in_sandbox;
        Args {
            manifest,
            dry_run: false,
            output: output.into(),
            compare_to: None,
            detailed_exitcode: false,
            only: vec![only],
            skip: Vec::new(),
            approve: Vec::new(),
            state_dir,
            kubeconfig: Kubeconfig { kubeconfig: reach.kubeconfig },
            exec: AllowExec { allow_exec: reach.allow_exec },
            #[cfg(feature = "sandbox")]
            sandbox: in_sandbox.then_some(SandboxKind::Quick),
            #[cfg(feature = "sandbox")]
            sandbox_faults: std::env::var("HOLDFAST_SANDBOX_FAULTS").unwrap_or_default(),
            verbose: false,
        }
    }

    /// What goes wrong in the sandbox, where the run is to take place there.
    #[cfg(feature = "sandbox")]
    pub(super) fn in_sandbox(&self) -> Option<&str> {
        self.sandbox.map(|_| self.sandbox_faults.as_str())
    }

    #[cfg(not(feature = "sandbox"))]
    pub(super) fn in_sandbox(&self) -> Option<&str> {
        None
    }

    #[cfg(feature = "sandbox")]
    pub(super) fn ground(&self, on: &str, state: &Path) -> Result<Ground, String> {
        match self.sandbox {
            None => Ok(Ground::real(on, state, &self.reach())),
            Some(kind) => Ground::sandbox(state, &self.sandbox_faults, !self.dry_run, kind, &self.reach()),
        }
    }

    #[cfg(not(feature = "sandbox"))]
    pub(super) fn ground(&self, on: &str, state: &Path) -> Result<Ground, String> {
        Ok(Ground::real(on, state, &self.reach()))
    }

    fn reach(&self) -> Reach {
        Reach { kubeconfig: self.kubeconfig.kubeconfig.clone(), allow_exec: self.exec.allow_exec }
    }
}
