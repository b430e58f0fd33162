//! Tags. While a group or cluster is not available, they can be neither read nor written.

use std::collections::BTreeMap;

use super::place::Place;
use super::refusal::{cluster_state, group_state, no_cluster, no_group, no_parameter_group, no_snapshot, no_subnet_group};
use super::request::{only, tag_list, tags};
use super::state::{State, Status};
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

pub fn list(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ResourceName"])?;
    Ok(tag_list(Xml::new(), of(state, place, form)?))
}

pub fn add(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ResourceName", "Tags"])?;
    let present = of(state, place, form)?;
    let added = tags(form)?;
    if added.is_empty() {
        return Err(Refusal::new(400, "MissingParameter", "The request must contain the parameter Tags."));
    }
    let mut after = present.clone();
    after.extend(added);
    if after.len() > 50 {
        return Err(Refusal::new(400, "TagQuotaPerResourceExceeded", "A resource can have up to 50 tags."));
    }
    *present = after;
    Ok(tag_list(Xml::new(), present))
}

pub fn remove(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["ResourceName", "TagKeys"])?;
    let present = of(state, place, form)?;
    let keys = form.list("TagKeys");
    if keys.is_empty() {
        return Err(Refusal::new(400, "MissingParameter", "The request must contain the parameter TagKeys."));
    }
    if let Some(unknown) = keys.iter().find(|key| !present.contains_key(*key)) {
        return Err(Refusal::new(404, "TagNotFound", format!("Tag {unknown} not found.")));
    }
    present.retain(|key, _| !keys.contains(key));
    Ok(tag_list(Xml::new(), present))
}

/// The tags of what the ARN in the request names.
fn of<'a>(state: &'a mut State, place: &Place, form: &Form) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let arn = form.require("ResourceName")?;
    let prefix = format!("arn:aws:elasticache:{}:{}:", place.region, place.account);
    let wrong = || Refusal::new(400, "InvalidARN", format!("{arn} is not a valid ARN."));
    let (kind, name) = arn.strip_prefix(&prefix).and_then(|rest| rest.split_once(':')).ok_or_else(wrong)?;
    match kind {
        "replicationgroup" => {
            let group = state.replication_groups.get_mut(name).ok_or_else(|| no_group(name))?;
            if group.status != Status::Available {
                return Err(group_state(name, group.status));
            }
            Ok(&mut group.tags)
        }
        "cluster" => {
            // The members of a group carry its tags.
            if let Some(id) = state.group_of(name) {
                let group = state.replication_groups.get_mut(&id).ok_or_else(|| no_group(&id))?;
                if group.status != Status::Available {
                    return Err(group_state(&id, group.status));
                }
                return Ok(&mut group.tags);
            }
            let cluster = state.cache_clusters.get_mut(name).ok_or_else(|| no_cluster(name))?;
            if cluster.status != Status::Available {
                return Err(cluster_state(name, cluster.status));
            }
            Ok(&mut cluster.tags)
        }
        "parametergroup" => state.parameter_groups.get_mut(name).map(|group| &mut group.tags).ok_or_else(|| no_parameter_group(name)),
        "subnetgroup" => state.subnet_groups.get_mut(name).map(|group| &mut group.tags).ok_or_else(|| no_subnet_group(name)),
        "snapshot" => state.snapshots.get_mut(name).map(|snapshot| &mut snapshot.tags).ok_or_else(|| no_snapshot(name)),
        _ => Err(wrong()),
    }
}
