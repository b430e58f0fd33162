//! The provider of credentials that is set up, by what the caller's settings name: for the sentence that says why there are none.

use std::env::var;

use aws_config::profile::ProfileSet;

use super::profile;

/// A provider that was tried.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tried {
    /// `SSO of the profile dev`.
    pub(super) provider: String,
    /// What is wrong with it, where its settings show that; else what it said itself.
    pub(super) trouble: Option<String>,
    pub(super) what_to_do: String,
}

impl Tried {
    fn new(provider: String, trouble: Option<String>, what_to_do: String) -> Tried {
        Tried { provider, trouble, what_to_do }
    }
}

/// How many profiles are followed that name one another.
const LONGEST: usize = 10;

/// The first that is set up, in the order in which the SDK asks; nothing where none is, as on an instance that brings its own.
pub(super) async fn first_set_up() -> Option<Tried> {
    let profiles = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), None).await.ok();
    let set = |name: &str| var(name).ok().filter(|value| !value.trim().is_empty());
    of_keys(&set).or_else(|| of_profile(profiles.as_ref()?, &profile::name())).or_else(|| of_variables(&set))
}

/// Half of a pair of keys: the SDK passes over it without a word.
fn of_keys(set: &impl Fn(&str) -> Option<String>) -> Option<Tried> {
    let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
    let (there, missing) = match (set(id), set(secret)) {
        (Some(_), None) => (id, secret),
        (None, Some(_)) => (secret, id),
        _ => return None,
    };
    Some(Tried::new(
        "the environment variables".to_owned(),
        Some(format!("{there} is set and {missing} is not")),
        format!("set {missing} too, or unset {there}"),
    ))
}

fn of_profile(profiles: &ProfileSet, name: &str) -> Option<Tried> {
    let mut name = name.to_owned();
    for _ in 0..LONGEST {
        let found = profiles.get_profile(&name)?;
        let of = |what: &str| format!("{what} of the profile {name}");
        let source = found.get("source_profile").filter(|source| found.get("role_arn").is_some() && *source != name);
        if let Some(source) = source {
            if profiles.get_profile(source).is_none() {
                return Some(Tried::new(
                    of("the role"),
                    Some(format!("its source_profile {source} is in neither the config nor the credentials file")),
                    format!("correct source_profile, or add the profile {source}"),
                ));
            }
            name = source.to_owned();
            continue;
        }
        let sso = ["sso_session", "sso_start_url", "sso_account_id"].iter().any(|key| found.get(key).is_some());
        return if sso {
            Some(Tried::new(of("SSO"), None, format!("sign in with `aws sso login --profile {name}`")))
        } else if found.get("login_session").is_some() {
            Some(Tried::new(of("the sign-in"), None, format!("sign in with `aws login --profile {name}`")))
        } else if let Some(file) = found.get("web_identity_token_file") {
            Some(Tried::new(
                of(&format!("the web identity token file {file}")),
                None,
                "have a valid token in that file, or correct its name".to_owned(),
            ))
        } else if found.get("credential_process").is_some() {
            Some(Tried::new(of("credential_process"), None, "run that command by itself, and mend what it says".to_owned()))
        } else if let Some(source) = found.get("credential_source") {
            Some(Tried::new(
                of(&format!("credential_source {source}")),
                None,
                "run where that source has credentials, or correct it".to_owned(),
            ))
        } else if found.get("aws_access_key_id").is_some() != found.get("aws_secret_access_key").is_some() {
            let trouble = "of aws_access_key_id and aws_secret_access_key only one is there".to_owned();
            Some(Tried::new(of("the keys"), Some(trouble), "add the other one".to_owned()))
        } else {
            None
        };
    }
    None
}

fn of_variables(set: &impl Fn(&str) -> Option<String>) -> Option<Tried> {
    let token = "AWS_WEB_IDENTITY_TOKEN_FILE";
    if let Some(file) = set(token) {
        let trouble = set("AWS_ROLE_ARN").is_none().then(|| "AWS_ROLE_ARN is not set".to_owned());
        let what_to_do = match trouble {
            Some(_) => format!("set AWS_ROLE_ARN too, or unset {token}"),
            None => format!("have a valid token in that file, or correct or unset {token}"),
        };
        return Some(Tried::new(format!("the web identity token file {file} ({token})"), trouble, what_to_do));
    }
    let container = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    let named = container.into_iter().find(|name| set(name).is_some())?;
    Some(Tried::new(
        format!("the container's credentials service ({named})"),
        None,
        format!("see that it answers and that the task has a role, or unset {named}"),
    ))
}
