//! The region that the caller's settings name, held against the manifest's (contract 11).

use aws_config::meta::region::ProvideRegion;

/// The region that is set where the caller works, and what sets it: the variables first, then the profile, as every AWS client has it. The
/// instance metadata are not asked: where a machine stands is no setting of the caller's.
pub(super) async fn configured() -> Option<(String, String)> {
    let variable = |name: &str| std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        if let Some(region) = variable(name) {
            return Some((region, name.to_owned()));
        }
    }
    let region = aws_config::profile::ProfileFileRegionProvider::new().region().await?;
    Some((region.to_string(), format!("the profile {}", super::profile::name())))
}
