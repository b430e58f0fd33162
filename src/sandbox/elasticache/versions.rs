//! DescribeCacheEngineVersions.

use std::collections::BTreeMap;

use super::engine::{VERSIONS, numbers, offered};
use super::place::Place;
use super::request::{only, page};
use super::state::State;
use crate::sandbox::call::Refusal;
use crate::sandbox::protocol::query::Form;
use crate::sandbox::protocol::xml::Xml;

pub fn describe(_: &mut State, place: &Place, form: &Form) -> Result<Xml, Refusal> {
    only(form, &["Engine", "EngineVersion", "CacheParameterGroupFamily", "DefaultOnly", "MaxRecords", "Marker"])?;
    let default_only = form.bool("DefaultOnly")?.unwrap_or(false);
    let fits = |name: &str, value: &str| form.get(name).is_none_or(|wanted| wanted == value);
    let newest = |engine: &str, version: &str| {
        VERSIONS.iter().filter(|(other, _, _)| *other == engine).all(|(_, other, _)| numbers(other) <= numbers(version))
    };
    let all = VERSIONS.iter().filter(|(engine, version, family)| {
        fits("Engine", engine)
            && fits("EngineVersion", offered(engine, version))
            && fits("CacheParameterGroupFamily", family)
            && (!default_only || newest(engine, version))
    });
    let all: BTreeMap<String, _> = all.map(|one| (format!("{}/{}", one.0, offered(one.0, one.1)), one)).collect();
    let (versions, marker) = page(form, place, all.into_iter().collect())?;
    Ok(Xml::new().maybe("Marker", marker).list(
        "CacheEngineVersions",
        "CacheEngineVersion",
        versions,
        |xml, (_, (engine, version, family))| {
            xml.text("Engine", engine)
                .text("EngineVersion", offered(engine, version))
                .text("CacheParameterGroupFamily", family)
                .text("CacheEngineDescription", engine)
                .text("CacheEngineVersionDescription", format!("{engine} version {}", offered(engine, version)))
        },
    ))
}
