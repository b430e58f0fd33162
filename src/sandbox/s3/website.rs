//! Static website hosting.

use super::state::{Protocol, Website};
use super::wire::{self, document, done, gone, invalid_argument, malformed, not_implemented};
use super::{find, find_mut};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::world::World;

pub fn get(world: &World, name: &str) -> Result<Answer, Refusal> {
    let Some(website) = &find(world, name)?.website else {
        return Err(Refusal::new(404, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"));
    };
    Ok(document("WebsiteConfiguration", |xml| {
        let xml = match &website.redirect_host {
            Some(host) => xml.node("RedirectAllRequestsTo", |xml| {
                xml.text("HostName", host).maybe("Protocol", website.redirect_protocol.map(Protocol::word))
            }),
            None => xml,
        };
        let xml = match &website.index_document {
            Some(suffix) => xml.node("IndexDocument", |xml| xml.text("Suffix", suffix)),
            None => xml,
        };
        match &website.error_document {
            Some(key) => xml.node("ErrorDocument", |xml| xml.text("Key", key)),
            None => xml,
        }
    }))
}

pub fn put(world: &mut World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let website = wire::body(call, "WebsiteConfiguration", |root| {
        root.only(&["RedirectAllRequestsTo", "IndexDocument", "ErrorDocument", "RoutingRules"])?;
        if root.child("RoutingRules").is_some() {
            return Err(not_implemented("PutBucketWebsite with RoutingRules"));
        }
        if let Some(redirect) = root.child("RedirectAllRequestsTo") {
            if root.child("IndexDocument").is_some() || root.child("ErrorDocument").is_some() {
                return Err(invalid_argument("RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules"));
            }
            let redirect_protocol = redirect.word("Protocol", Protocol::parse)?;
            return Ok(Website { redirect_host: Some(redirect.require("HostName")?), redirect_protocol, ..Website::default() });
        }
        let index = root.child("IndexDocument").ok_or_else(malformed)?.require("Suffix")?;
        if index.is_empty() || index.contains('/') {
            return Err(invalid_argument("The IndexDocument Suffix is not well formed"));
        }
        let error_document = root.child("ErrorDocument").map(|error| error.require("Key")).transpose()?;
        Ok(Website { index_document: Some(index), error_document, ..Website::default() })
    })?;
    find_mut(world, name)?.website = Some(website);
    Ok(done())
}

pub fn delete(world: &mut World, name: &str) -> Result<Answer, Refusal> {
    find_mut(world, name)?.website = None;
    Ok(gone())
}
