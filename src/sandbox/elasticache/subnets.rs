//! Subnet groups.

use super::place::Place;
use super::refusal::no_subnet_group;
use super::request::{new_id, only, page, tags};
use super::state::{State, SubnetGroup};
use crate::sandbox::call::Refusal;
use crate::sandbox::ids::sha256;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

impl State {
    /// A subnet group by name; `default` is the default VPC's, which every account has.
    pub fn subnet_group(&self, name: &str, place: &Place) -> Result<(String, SubnetGroup), Refusal> {
        if let Some(group) = self.subnet_groups.get(name) {
            return Ok((name.to_owned(), group.clone()));
        }
        if name != "default" {
            return Err(no_subnet_group(name));
        }
        let subnets = (0..2).map(|number| format!("subnet-{}", short(&format!("{}/{number}", place.account)))).collect();
        let vpc_id = format!("vpc-{}", short(&place.account));
        Ok((name.to_owned(), SubnetGroup { description: "Default CacheSubnetGroup".to_owned(), vpc_id, subnets, ..SubnetGroup::default() }))
    }
}

fn short(text: &str) -> String {
    sha256(text).chars().take(17).collect()
}

pub fn create(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheSubnetGroupName", "CacheSubnetGroupDescription", "SubnetIds", "Tags"])?;
    let name = new_id(form, "CacheSubnetGroupName", 255)?;
    let description = form.require("CacheSubnetGroupDescription")?.to_owned();
    let subnets = form.list("SubnetIds");
    if subnets.is_empty() {
        return Err(Refusal::new(400, "MissingParameter", "The request must contain the parameter SubnetIds."));
    }
    if let Some(wrong) = subnets.iter().find(|subnet| !subnet.starts_with("subnet-")) {
        return Err(Refusal::new(400, "InvalidSubnet", format!("The subnet {wrong} does not exist.")));
    }
    if name == "default" || state.subnet_groups.contains_key(&name) {
        return Err(Refusal::new(400, "CacheSubnetGroupAlreadyExists", format!("Cache subnet group {name} already exists.")));
    }
    let group = SubnetGroup { description, vpc_id: format!("vpc-{}", short(&place.account)), subnets, tags: tags(form)? };
    let answer = Xml::new().node("CacheSubnetGroup", |xml| show(xml, &name, &group, place));
    state.subnet_groups.insert(name, group);
    Ok(answer)
}

pub fn describe(state: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["CacheSubnetGroupName", "MaxRecords", "Marker"])?;
    let all = match form.get("CacheSubnetGroupName") {
        Some(name) => vec![state.subnet_group(&name.to_lowercase(), place)?],
        None => {
            let mut all = state.subnet_groups.clone();
            let (name, group) = state.subnet_group("default", place)?;
            all.insert(name, group);
            all.into_iter().collect()
        }
    };
    let (groups, marker) = page(form, place, all)?;
    Ok(Xml::new()
        .maybe("Marker", marker)
        .list("CacheSubnetGroups", "CacheSubnetGroup", groups, |xml, (name, group)| show(xml, &name, &group, place)))
}

fn show(xml: Xml, name: &str, group: &SubnetGroup, place: &Place) -> Xml {
    xml.text("CacheSubnetGroupName", name)
        .text("CacheSubnetGroupDescription", &group.description)
        .text("VpcId", &group.vpc_id)
        .list("Subnets", "Subnet", (0..).zip(&group.subnets), |xml, (number, subnet)| {
            xml.text("SubnetIdentifier", subnet).node("SubnetAvailabilityZone", |xml| xml.text("Name", place.zone(number))).texts(
                "SupportedNetworkTypes",
                "member",
                ["ipv4"],
            )
        })
        .text("ARN", place.arn("subnetgroup", name))
        .texts("SupportedNetworkTypes", "member", ["ipv4"])
}
