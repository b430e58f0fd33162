//! What RDS offers, whatever the account holds: versions, certificates, default parameters.

use super::{engines, groups, parameters, read, refusals, write};
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::world::World;

pub fn engine_versions(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let wanted = |member: &str, value: &str| form.get(member).is_none_or(|wanted| wanted == value);
    let default_only = form.bool("DefaultOnly")? == Some(true);
    let mut entries = Vec::new();
    for (at, offered) in engines::versions().enumerate() {
        let family = engines::family(offered.engine, offered.version);
        let version = form
            .get("EngineVersion")
            .is_none_or(|wanted| wanted == offered.version || wanted == engines::major(offered.engine, offered.version));
        // Without a version, the default one of the engine; with one, the newest that it names.
        let default = match form.get("EngineVersion") {
            Some(wanted) => engines::resolve(offered.engine, wanted) == Some(offered.version),
            None => engines::default_version(offered.engine) == Some(offered.version),
        };
        if wanted("Engine", offered.engine) && version && wanted("DBParameterGroupFamily", &family) && (default || !default_only) {
            entries.push((format!("{at:04}"), offered));
        }
    }
    let (page, marker) = read::page(world, form, entries)?;
    Ok(Xml::new()
        .list("DBEngineVersions", "DBEngineVersion", page, |xml, (_, offered)| write::engine_version(xml, offered))
        .maybe("Marker", marker))
}

pub fn certificates(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let wanted = form.get("CertificateIdentifier");
    let found = engines::CERTIFICATES.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    let entries: Vec<_> = found.map(|certificate| (certificate.0.to_owned(), certificate)).collect();
    if let (Some(wanted), true) = (wanted, entries.is_empty()) {
        return Err(Refusal::new(404, "CertificateNotFound", format!("Certificate not found: {wanted}")));
    }
    let (page, marker) = read::page(world, form, entries)?;
    let region = world.region.clone();
    Ok(Xml::new()
        .text("DefaultCertificateForNewLaunches", engines::DEFAULT_CERTIFICATE)
        .list("Certificates", "Certificate", page, |xml, (_, (name, valid_till))| {
            xml.text("CertificateIdentifier", name)
                .text("CertificateType", "CA")
                .text("ValidFrom", "2019-09-19T18:16:53Z")
                .text("ValidTill", valid_till)
                .text("CertificateArn", format!("arn:aws:rds:{region}::cert:{name}"))
                .text("CustomerOverride", false)
        })
        .maybe("Marker", marker))
}

pub fn engine_defaults(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    let family = form.require("DBParameterGroupFamily")?;
    let defaults = parameters::of(family).ok_or_else(|| groups::unknown_family(family))?;
    read::filters(form, &[])?;
    let entries = defaults.into_iter().map(|parameter| (parameter.name.to_owned(), parameter)).collect();
    let (page, marker) = read::page(world, form, entries)?;
    Ok(Xml::new().node("EngineDefaults", |xml| {
        xml.text("DBParameterGroupFamily", family)
            .maybe("Marker", marker)
            .list("Parameters", "Parameter", page, |xml, (_, parameter)| write::parameter(xml, &parameter, None))
    }))
}

/// Nothing here ever needs maintenance.
pub fn pending_maintenance(world: &mut World, form: &Form) -> Result<Xml, Refusal> {
    read::filters(form, &["db-cluster-id", "db-instance-id"])?;
    if let Some(arn) = form.get("ResourceIdentifier") {
        let name = read::identifier(arn);
        if !world.rds.instances.contains_key(&name) {
            return Err(Refusal::new(404, "ResourceNotFoundFault", format!("The specified resource {arn} was not found.")));
        }
    }
    let none: Vec<(String, ())> = Vec::new();
    let (page, marker) = read::page(world, form, none)?;
    Ok(Xml::new().list("PendingMaintenanceActions", "ResourcePendingMaintenanceActions", page, |xml, _| xml).maybe("Marker", marker))
}

/// The certificate `name`, or the refusal that there is none.
pub fn certificate(name: &str) -> Result<String, Refusal> {
    match engines::CERTIFICATES.iter().any(|(known, _)| *known == name) {
        true => Ok(name.to_owned()),
        false => Err(Refusal::new(404, "CertificateNotFound", format!("Certificate not found: {name}"))),
    }
}

/// The logs that `wanted` names, each one that the engine has.
pub fn log_types(engine: &str, version: &str, wanted: &[String]) -> Result<(), Refusal> {
    match wanted.iter().find(|name| !engines::log_types(engine).contains(&name.as_str())) {
        Some(name) => Err(refusals::combination(format!(
            "You cannot use the log types '{name}' with engine version {engine} {version}. For supported log types, see the documentation."
        ))),
        None => Ok(()),
    }
}
