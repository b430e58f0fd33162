//! Where a run takes place: said first, and named where nobody answers there.

use serde_json::Value;

use super::state::{at, stderr, stdout};
use super::{ACCOUNT, VERSIONING, folder, holdfast, served};

/// An endpoint at which nobody listens.
const NOBODY: &str = "http://127.0.0.1:9";

#[test]
fn the_first_line_says_where_it_runs() {
    let folder = folder(ACCOUNT, VERSIONING);
    let dry = |more: &[&str], set: &[(&str, &str)]| {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--dry-run"]).args(more).envs(set.iter().copied()).assert();
        stdout(&run.code(0))
    };
    let sandbox = dry(&["--sandbox"], &[]);
    let first = sandbox.lines().next().unwrap_or_default();
    assert!(first.contains("sandbox") && first.contains("its time is simulated"), "{sandbox}");
    let document: Value = serde_json::from_str(&dry(&["--sandbox", "-o", "json"], &[])).expect("a document");
    assert_eq!(document["ground"], "the sandbox");
    let (_aws, address) = served(folder.path(), 1);
    // A proxy's password stands in its URL, and on no screen.
    let guarded = address.replace("http://", "http://me:pass-word@");
    for url in [&address, &guarded] {
        let served = dry(&[], &at(url));
        assert_eq!(served.lines().next().unwrap_or_default(), format!("the endpoint {address}, in place of AWS"), "{served}");
    }
    let document: Value = serde_json::from_str(&dry(&["-o", "json"], &at(&address))).expect("a document");
    assert_eq!(document["ground"], format!("the endpoint {address}"));
}

#[test]
fn an_endpoint_that_does_not_answer_is_named() {
    let folder = folder(ACCOUNT, VERSIONING);
    let run = |set: &[(&str, &str)]| {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml", "--dry-run"]).envs(at("http://127.0.0.1:10")).envs(set.iter().copied());
        stderr(&run.assert().code(1))
    };
    assert!(run(&[]).contains("the endpoint http://127.0.0.1:10 could not be asked"), "{}", run(&[]));
    let err = run(&[("AWS_ENDPOINT_URL_STS", NOBODY)]);
    assert!(err.contains(&format!("the endpoint {NOBODY} could not be asked")), "{err}");
}

#[test]
fn a_profile_that_is_not_there_is_said_and_nothing_else_is_tried() {
    let folder = folder(ACCOUNT, VERSIONING);
    std::fs::create_dir(folder.path().join(".aws")).expect("a folder");
    std::fs::write(folder.path().join(".aws/config"), "[profile right]\nregion = us-east-1\n").expect("a file");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a listener");
    let metadata = format!("http://{}", listener.local_addr().expect("its address"));
    let run = |set: &[(&str, &str)]| {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml", "--dry-run"]).env("AWS_PROFILE", "nope").env("AWS_ENDPOINT_URL", NOBODY);
        run.env("AWS_EC2_METADATA_DISABLED", "false").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata);
        stderr(&run.envs(set.iter().copied()).assert().code(1))
    };
    let err = run(&[]);
    assert!(err.contains("the profile nope") && err.contains("is in neither ~/.aws/config nor ~/.aws/credentials"), "{err}");
    assert!(err.contains("(there are: right)"), "{err}");
    assert!(listener.accept().is_err(), "the instance metadata service was asked");
    // Keys come before any profile, as with the SDK.
    let err = run(&[("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    assert!(err.contains(NOBODY) && !err.contains("profile nope"), "{err}");
}

#[test]
fn another_account_in_the_sandbox_is_not_answered_with_profiles() {
    let folder = folder("111111111111", VERSIONING);
    let err = stderr(&holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(1));
    assert!(err.contains(&format!("the sandbox holds account {ACCOUNT}")) && err.contains("sandbox serve --account FILE"), "{err}");
    assert!(!err.contains("AWS_PROFILE"), "{err}");
}

#[test]
fn reset_says_what_it_keeps() {
    let folder = folder(ACCOUNT, VERSIONING);
    let reset = || stdout(&holdfast(folder.path()).args(["sandbox", "reset"]).assert().code(0));
    assert_eq!(reset(), "there is no account to forget\n");
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    let said = reset();
    assert!(said.contains("account.json is forgotten") && said.contains("journal of the sandbox's runs is kept"), "{said}");
    let journal = holdfast(folder.path()).args(["journal", "--state-dir", "state/sandbox"]).assert().code(0);
    assert!(stdout(&journal).contains("run began"), "{}", stdout(&journal));
}

#[test]
fn a_run_that_the_journal_does_not_know_is_no_success() {
    let folder = folder(ACCOUNT, VERSIONING);
    holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).assert().code(0);
    for output in ["text", "json"] {
        let run = holdfast(folder.path()).args(["journal", "--state-dir", "state/sandbox", "--run", "nope", "-o", output]).assert().code(1);
        assert!(stderr(&run).contains("knows no run nope") && stdout(&run).is_empty(), "{}", stderr(&run));
    }
}

#[test]
fn no_time_that_stands_still_and_no_hidden_option_is_offered() {
    let folder = folder(ACCOUNT, VERSIONING);
    holdfast(folder.path()).args(["sandbox", "serve", "--speed", "0", "--listen", "127.0.0.1:0"]).assert().code(64);
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&holdfast(folder.path()).args(["completion", shell]).assert().code(0));
        assert!(script.contains("detailed-exitcode") && !script.contains("sandbox-faults"), "{shell}");
    }
}

/// A variable that is set to nothing names no endpoint.
#[test]
fn an_empty_endpoint_is_none_and_the_sandbox_is_to_be_had() {
    let folder = folder(ACCOUNT, VERSIONING);
    let run = |url: &str, code: i32| {
        holdfast(folder.path())
            .args(["reconcile", "-f", "m.yaml", "--sandbox", "--dry-run"])
            .env("AWS_ENDPOINT_URL", url)
            .assert()
            .code(code);
    };
    run("", 0);
    run(NOBODY, 64);
}

/// A word that is no level would be taken for the name of some part of a program, and nothing be logged.
#[test]
fn a_log_level_that_is_none_is_refused() {
    let folder = folder(ACCOUNT, VERSIONING);
    for (level, code) in [("bogus", 64), ("holdfast::aws=loud", 64), ("info,bogus", 64), ("debug", 0), ("warn,holdfast::aws=debug", 0)] {
        let run = holdfast(folder.path()).args(["validate", "-f", "m.yaml"]).env("HOLDFAST_LOG", level).assert().code(code);
        assert_eq!(stderr(&run).contains("expected error, warn, info, debug, trace or off"), code == 64, "{level}: {}", stderr(&run));
    }
}

#[test]
fn an_endpoint_that_is_no_url_is_said_at_once() {
    let folder = folder(ACCOUNT, VERSIONING);
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml", "--dry-run"]).envs([
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            (name, "foo"),
        ]);
        let said = stderr(&run.assert().code(1));
        assert!(said.contains(&format!("what {name} holds is no URL: nothing was read or changed")), "{said}");
    }
}

/// Nobody waits without a word.
#[test]
fn an_endpoint_that_keeps_silent_is_waited_for_aloud() {
    let folder = folder(ACCOUNT, VERSIONING);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    let mut run = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["reconcile", "-f", "m.yaml", "--dry-run"])
        .current_dir(folder.path())
        .envs([("AWS_ENDPOINT_URL", endpoint.as_str()), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")])
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    let mut stderr = std::io::BufReader::new(run.stderr.take().expect("its stderr"));
    std::io::BufRead::read_line(&mut stderr, &mut said).expect("a line");
    run.kill().expect("it is ended");
    run.wait().expect("it ended");
    assert!(said.contains(&format!("no answer yet from {endpoint} to sts:GetCallerIdentity, attempt 1, for ")), "{said}");
}

/// As with kubectl: several files, and standard input.
#[test]
fn manifests_come_from_several_files_and_from_standard_input() {
    let folder = folder(ACCOUNT, VERSIONING);
    let text = std::fs::read_to_string(folder.path().join("m.yaml")).expect("the manifest");
    let run = holdfast(folder.path()).args(["validate", "-f", "-"]).write_stdin(text.clone()).assert().code(0);
    assert_eq!(stdout(&run), "1 file, 1 object with 2 entries: nothing is wrong\n");
    let other = text.replace("name: cli", "name: other").replace("huntaze-", "other-");
    let both = |other: String| holdfast(folder.path()).args(["validate", "-f", "m.yaml", "-f", "-"]).write_stdin(other).assert();
    assert_eq!(stdout(&both(other).code(0)), "2 files, 2 objects with 4 entries: nothing is wrong\n");
    // What is wrong there has a place, too; and one object is not two.
    let run = both(text).code(1);
    assert!(stdout(&run).contains("standard input:3:") && stdout(&run).contains("another object has the name"), "{}", stdout(&run));
    let run = holdfast(folder.path())
        .args(["reconcile", "-f", "-", "--sandbox", "--dry-run", "--detailed-exitcode"])
        .write_stdin(std::fs::read(folder.path().join("m.yaml")).expect("the manifest"))
        .assert()
        .code(2);
    assert!(stdout(&run).contains("Turn on versioning of huntaze-assets"), "{}", stdout(&run));
}

/// Where an object cannot be looked at, nobody knows whether `--skip` names something in it: what was to be left alone is left alone.
#[test]
fn a_skip_that_names_nothing_ends_the_run_though_an_object_could_not_be_looked_at() {
    let folder = folder(ACCOUNT, VERSIONING);
    let text = std::fs::read_to_string(folder.path().join("m.yaml")).expect("the manifest");
    let other = text.replace("name: cli", "name: other").replace("huntaze-", "other-").replace(ACCOUNT, "111111111111");
    std::fs::write(folder.path().join("m.yaml"), format!("{text}---\n{other}")).expect("a file");
    let run = |more: &[&str], code: i32| {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--sandbox"]).args(more).assert().code(code);
        (stdout(&run), stderr(&run))
    };
    for more in [&["--skip", "s3.buckets/huntaze-asset"][..], &["--skip", "s3.buckets/huntaze-asset", "--dry-run"]] {
        let (out, err) = run(more, 1);
        assert!(err.contains("nothing was done: --skip s3.buckets/huntaze-asset names nothing"), "{err}");
        assert!(err.contains("other could not be looked at: the manifest is for account 111111111111"), "{err}");
        assert!(!out.contains("versioning"), "{out}");
    }
    run(&["--skip", "s3.buckets/huntaze-assets"], 4);
}

/// The environment is not ours: what stands in it that is no text panics nobody, and an endpoint that is none is refused.
#[test]
#[cfg(unix)]
fn an_environment_that_is_no_text_is_put_up_with() {
    use std::os::unix::ffi::OsStrExt;
    let garbled = std::ffi::OsStr::from_bytes(b"http://\xff");
    let folder = folder(ACCOUNT, VERSIONING);
    for (set, on, code) in [("ODD", &["--sandbox"][..], 0), ("ODD", &[], 1), ("AWS_ENDPOINT_URL", &[], 1), ("AWS_ENDPOINT_URL_S3", &[], 1)]
    {
        let run = holdfast(folder.path()).args(["reconcile", "-f", "m.yaml", "--dry-run"]).args(on).env(set, garbled).assert();
        let said = stderr(&run);
        run.code(code);
        assert!(!said.contains("panicked"), "{set}: {said}");
        assert_eq!(said.contains(&format!("what {set} holds is no URL")), set != "ODD", "{set}: {said}");
    }
}

/// Services of which each has its endpoint, by a name of no AWS's: what is asked goes where the service's own setting says, before the one for all.
#[test]
fn each_service_is_asked_at_its_own_endpoint() {
    let spec = "  s3:\n    account: {publicAccessBlock: {blockPublicAcls: true}}\n    buckets:\n      - {name: huntaze-assets, versioning: Enabled}\n";
    let folder = folder(ACCOUNT, spec);
    let (_sandbox, address) = served(folder.path(), 120);
    let address = address.replace("127.0.0.1", "localhost");
    let run = |settings: &[(&str, &str)], code: i32| {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml", "--dry-run", "--log", "debug"])
            .envs([("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]);
        let run = run.envs(settings.iter().copied()).assert().code(code);
        stdout(&run) + &stderr(&run)
    };
    let own = |name: &'static str| (name, address.as_str());
    let each = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_S3_CONTROL", "AWS_ENDPOINT_URL_STS"].map(own);
    let said = run(&each, 0);
    assert!(said.contains(&format!("AWS_ENDPOINT_URL_S3_CONTROL={address}")), "{said}");
    // One for all, and another for one: a profile's counts too.
    let said = run(&[&[("AWS_ENDPOINT_URL", NOBODY)], &each[..]].concat(), 0);
    assert!(said.contains(NOBODY), "{said}");
    let config = folder.path().join("config");
    let text = format!(
        "[default]\nservices = here\n[services here]\ns3_control =\n  endpoint_url = {address}\ns3 =\n  endpoint_url = {address}\n"
    );
    std::fs::write(&config, text).expect("a file");
    let profile = [("AWS_CONFIG_FILE", config.to_str().expect("a path")), own("AWS_ENDPOINT_URL_STS")];
    run(&profile, 0);
    // Where the settings say that they are to be ignored, they are.
    let said =
        run(&[&each[..], &[("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"), ("HTTP_PROXY", NOBODY), ("HTTPS_PROXY", NOBODY)]].concat(), 1);
    assert!(!said.contains(&address), "{said}");
}

/// A company's proxy, a test server: whoever runs it names whose certificates count, as for the AWS CLI.
#[test]
fn the_callers_own_certificates_are_believed() {
    let folder = folder(ACCOUNT, VERSIONING);
    let (_sandbox, address) = served(folder.path(), 120);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let bundle = folder.path().join("ca.pem");
    std::fs::write(&bundle, made.cert.pem()).expect("a file");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let server = server.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).expect("a server");
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(server));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let behind = address.trim_start_matches("http://").to_owned();
    runtime.spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let Ok(mut plain) = tokio::net::TcpStream::connect(behind).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
            });
        }
    });
    let endpoint = format!("https://localhost:{port}");
    let run = |settings: &[(&str, &str)], code: i32| {
        let mut run = holdfast(folder.path());
        run.args(["reconcile", "-f", "m.yaml", "--dry-run"]).envs([
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ]);
        stderr(&run.envs(settings.iter().copied()).assert().code(code))
    };
    assert!(run(&[], 1).contains("could not be asked who the caller is"));
    let path = bundle.to_str().expect("a path");
    run(&[("AWS_CA_BUNDLE", path)], 0);
    let config = folder.path().join("config");
    std::fs::write(&config, format!("[default]\nca_bundle = {path}\n")).expect("a file");
    run(&[("AWS_CONFIG_FILE", config.to_str().expect("a path"))], 0);
    for (wrong, why) in
        [("/nowhere/ca.pem", "No such file"), (folder.path().join("m.yaml").to_str().expect("a path"), "it holds no certificate")]
    {
        let said = run(&[("AWS_CA_BUNDLE", wrong)], 1);
        assert!(said.contains("the certificates to be trusted that AWS_CA_BUNDLE names cannot be taken") && said.contains(why), "{said}");
    }
}
