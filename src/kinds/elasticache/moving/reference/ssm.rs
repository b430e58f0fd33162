//! A parameter of the Parameter Store. Labels tell where it stands: one on the version that holdfast found, one on the version that it put, and
//! one on the version that it put back.
//!
//! A label stays on the version that it was put on, and `GetParameterHistory` shows it without decrypting anything. The first label is put before the
//! value is: so a process that ends between the two leaves behind that it was about to, and which version is to come back.

use secrecy::ExposeSecret;

use super::{Endpoints, Place, Turned, Way, names, rewritten};
use crate::aws::calls::ssm::{LABEL_PARAMETER_VERSION, PUT_PARAMETER};
use crate::aws::{CallError, Class, GET_PARAMETER, Reads, Writes, pages};
use crate::kinds::elasticache::start::not_sent;
use crate::kinds::{Fact, Unreadable};
use aws_sdk_ssm::types::{ParameterTier, ParameterType};

/// A version without its value.
#[derive(Clone, Debug)]
struct Version {
    number: i64,
    labels: Vec<String>,
    kind: Option<ParameterType>,
    /// What an overwriting request must say again: left out, they would be the account's defaults.
    key: Option<String>,
    tier: Option<ParameterTier>,
    data_type: Option<String>,
    description: Option<String>,
    allowed: Option<String>,
}

impl Version {
    fn has(&self, label: &str) -> bool {
        self.labels.iter().any(|one| one == label)
    }

    fn is_secure(&self) -> bool {
        self.kind == Some(ParameterType::SecureString)
    }
}

/// The names of the three labels.
struct Labels {
    from: String,
    turned: String,
    back: String,
}

impl Labels {
    fn of(turned: &str) -> Labels {
        Labels { from: format!("{turned}-from"), turned: turned.to_owned(), back: format!("{turned}-back") }
    }

    fn all(&self) -> [&String; 3] {
        [&self.from, &self.turned, &self.back]
    }
}

/// All versions that are kept, the oldest first.
async fn history(reads: &Reads, name: &str) -> Result<Vec<Version>, CallError> {
    let all = pages(|token| async {
        let answer = reads.ssm().get_parameter_history(|request| request.name(name).with_decryption(false).set_next_token(token)).await?;
        Ok((answer.parameters.unwrap_or_default(), answer.next_token))
    });
    let version = |one: aws_sdk_ssm::types::ParameterHistory| Version {
        number: one.version,
        labels: one.labels.unwrap_or_default(),
        kind: one.r#type,
        key: one.key_id,
        tier: one.tier,
        data_type: one.data_type,
        description: one.description,
        allowed: one.allowed_pattern,
    };
    let mut versions: Vec<Version> = all.await?.into_iter().map(version).collect();
    versions.sort_by_key(|version| version.number);
    Ok(versions)
}

fn stand(versions: &[Version], labels: &Labels) -> Turned {
    let Some(last) = versions.last() else { return Turned::Source };
    let somewhere = |label: &str| versions.iter().any(|version| version.has(label));
    if last.has(&labels.back) {
        Turned::Back
    } else if last.has(&labels.turned) {
        Turned::Target
    } else if somewhere(&labels.turned) {
        // Put back and not labelled yet, or somebody's: neither has to be touched again.
        Turned::Back
    } else if somewhere(&labels.from) && !last.has(&labels.from) {
        Turned::Begun
    } else {
        Turned::Source
    }
}

pub async fn look(reads: &Reads, name: &str, turned: &str) -> Fact<Place> {
    let labels = Labels::of(turned);
    match reads.once(format!("ssm:GetParameterHistory/{name}"), || history(reads, name)).await {
        Ok(versions) => match versions.last() {
            Some(last) => Fact::Present(Place {
                plain: !last.is_secure(),
                marked: versions.iter().any(|version| labels.all().into_iter().any(|label| version.has(label))),
                ..Place::of(stand(&versions, &labels))
            }),
            None => Fact::Absent,
        },
        Err(error) if error.class == Class::NotFound => Fact::Absent,
        Err(error) => Fact::Unknown(Unreadable::from(&error)),
    }
}

/// The versions as they are in this moment, and the last of them.
async fn now(writes: &Writes, name: &str) -> Result<(Vec<Version>, Version), CallError> {
    let versions = history(&writes.reads(), name).await?;
    match versions.last().cloned() {
        Some(last) => Ok((versions, last)),
        None => Err(not_sent(&GET_PARAMETER, Class::NotFound, "ParameterNotFound", format!("the parameter {name} has no version"))),
    }
}

pub async fn names_any(writes: &Writes, name: &str, of: &Endpoints) -> Result<bool, CallError> {
    let (_, last) = match now(writes, name).await {
        Err(error) if error.class == Class::NotFound => return Ok(false),
        found => found?,
    };
    Ok(names(writes.parameter(name, last.number).await?.expose_secret(), of))
}

pub async fn names_source(writes: &Writes, name: &str, way: &Way<'_>) -> Result<(), CallError> {
    let (_, last) = now(writes, name).await?;
    let text = writes.parameter(name, last.number).await?;
    rewritten(text.expose_secret(), way).map(|_| ()).ok_or_else(|| other(name))
}

fn other(name: &str) -> CallError {
    let message =
        format!("the parameter {name} does not name the address of the group that is moved: correct `cutover`, or what is written there");
    not_sent(&GET_PARAMETER, Class::Invalid, "NotTheAddress", message)
}

pub async fn turn(writes: &Writes, name: &str, turned: &str, way: &Way<'_>) -> Result<(), CallError> {
    let labels = Labels::of(turned);
    let (versions, last) = now(writes, name).await?;
    if stand(&versions, &labels) == Turned::Target {
        return Ok(());
    }
    if way.token.is_some() && !last.is_secure() {
        let message = format!("the parameter {name} is no SecureString, and the address would hold the token");
        return Err(not_sent(&PUT_PARAMETER, Class::Invalid, "NotSecure", message));
    }
    let text = writes.parameter(name, last.number).await?;
    let Some(new) = rewritten(text.expose_secret(), way) else {
        // Put already, by a process that ended before it could say so.
        let begun = versions.iter().any(|version| version.has(&labels.from) && version.number < last.number);
        return if begun && names(text.expose_secret(), way.to) {
            label(writes, name, last.number, &labels.turned).await
        } else {
            Err(other(name))
        };
    };
    label(writes, name, last.number, &labels.from).await?;
    let put = put(writes, name, &last, &new).await?;
    if put != last.number + 1 {
        // Somebody was faster by a hair: theirs is what comes back.
        label(writes, name, put - 1, &labels.from).await?;
    }
    label(writes, name, put, &labels.turned).await
}

pub async fn turn_back(writes: &Writes, name: &str, turned: &str, source: &Endpoints) -> Result<(), CallError> {
    let labels = Labels::of(turned);
    let (versions, last) = now(writes, name).await?;
    if stand(&versions, &labels).is_back() {
        return Ok(());
    }
    let text = writes.parameter(name, last.number).await?;
    if !last.has(&labels.turned) && names(text.expose_secret(), source) {
        // What came since names the source.
        return label(writes, name, last.number, &labels.back).await;
    }
    let Some(before) = versions.iter().find(|version| version.has(&labels.from)) else {
        let message = format!("the parameter {name} has no version that was there before holdfast's: write the address into it by hand");
        return Err(not_sent(&GET_PARAMETER, Class::Invalid, "NoPreviousVersion", message));
    };
    let old = writes.parameter(name, before.number).await?;
    let put = put(writes, name, before, old.expose_secret()).await?;
    label(writes, name, put, &labels.back).await
}

pub async fn forget(writes: &Writes, name: &str, turned: &str) -> Result<(), CallError> {
    let labels = Labels::of(turned);
    let versions = match history(&writes.reads(), name).await {
        Err(error) if error.class == Class::NotFound => return Ok(()),
        versions => versions?,
    };
    for version in versions {
        let ours: Vec<String> = labels.all().into_iter().filter(|label| version.has(label)).cloned().collect();
        if !ours.is_empty() {
            let ssm = writes.ssm();
            ssm.unlabel_parameter_version(|request| request.name(name).parameter_version(version.number).set_labels(Some(ours))).await?;
        }
    }
    Ok(())
}

/// Puts a value with everything else as it was; answers with the number of the new version.
async fn put(writes: &Writes, name: &str, was: &Version, value: &str) -> Result<i64, CallError> {
    let answer = writes
        .ssm()
        .put_parameter(|request| {
            let request = request.name(name).value(value).overwrite(true).set_type(was.kind.clone()).set_data_type(was.data_type.clone());
            let request = request.set_key_id(was.key.clone().filter(|_| was.is_secure())).set_tier(was.tier.clone());
            request.set_description(was.description.clone()).set_allowed_pattern(was.allowed.clone())
        })
        .await?;
    Ok(answer.version)
}

async fn label(writes: &Writes, name: &str, number: i64, label: &str) -> Result<(), CallError> {
    let answer = writes.ssm().label_parameter_version(|request| request.name(name).parameter_version(number).labels(label)).await?;
    match answer.invalid_labels().is_empty() {
        true => Ok(()),
        false => {
            let message = format!("the parameter {name} does not take the label {label}");
            Err(not_sent(&LABEL_PARAMETER_VERSION, Class::Invalid, "LabelNotTaken", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_parameter_stands_is_told_by_labels() {
        let version = |number: i64, labels: &[&str]| Version {
            number,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            kind: None,
            key: None,
            tier: None,
            data_type: None,
            description: None,
            allowed: None,
        };
        for (versions, expected) in [
            (vec![version(1, &[])], Turned::Source),
            (vec![version(1, &["m-from"])], Turned::Source),
            (vec![version(1, &["m-from"]), version(2, &[])], Turned::Begun),
            (vec![version(1, &["m-from"]), version(2, &["m"])], Turned::Target),
            (vec![version(1, &["m-from"]), version(2, &["m"]), version(3, &[])], Turned::Back),
            (vec![version(1, &["m-from"]), version(2, &["m"]), version(3, &["m-back"])], Turned::Back),
            (vec![version(1, &["m-from"]), version(2, &["m-back"])], Turned::Back),
            (vec![version(1, &["other-from"]), version(2, &["other"])], Turned::Source),
        ] {
            assert_eq!(stand(&versions, &Labels::of("m")), expected, "{versions:?}");
        }
    }
}
