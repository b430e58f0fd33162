//! The profile that the caller's settings name, and whether it is there.

use std::env::var;

/// The name of the profile that is used where no variables are.
pub(super) fn name() -> String {
    named().unwrap_or_else(|| "default".to_owned())
}

fn named() -> Option<String> {
    set("AWS_PROFILE")
}

fn set(variable: &str) -> Option<String> {
    var(variable).ok().filter(|value| !value.is_empty())
}

/// Where a profile was looked for that is named and not there, and what is there. The SDK would pass over it and ask other providers, up to
/// the instance's: whoever names a profile means no other credentials. Keys in variables come before any profile; files that cannot be read
/// are spoken of where credentials are.
pub(super) async fn missing() -> Option<(String, String)> {
    let profile = named().filter(|_| set("AWS_ACCESS_KEY_ID").is_none())?;
    let profiles = aws_config::profile::load(&Default::default(), &Default::default(), &Default::default(), None).await.ok()?;
    if profiles.get_profile(&profile).is_some() {
        return None;
    }
    let file = |variable: &str, usual: &str| set(variable).unwrap_or_else(|| usual.to_owned());
    let files = format!("{} nor {}", file("AWS_CONFIG_FILE", "~/.aws/config"), file("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"));
    let mut there: Vec<&str> = profiles.profiles().collect();
    there.sort_unstable();
    let known = if there.is_empty() { String::new() } else { format!(" (there are: {})", there.join(", ")) };
    Some((files, known))
}
