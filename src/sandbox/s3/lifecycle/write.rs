//! A lifecycle rule as XML.

use super::{And, Filter, Rule, Tag};
use crate::sandbox::protocol::xml::Xml;
use crate::sandbox::s3::wire::moment;

pub fn rule(xml: Xml, rule: &Rule) -> Xml {
    let mut xml = xml.text("ID", &rule.id).maybe("Prefix", rule.prefix.as_ref());
    if let Some(filter) = &rule.filter {
        xml = xml.node("Filter", |xml| write_filter(xml, filter));
    }
    xml = xml.text("Status", rule.status.word()).each("Transition", &rule.transitions, |xml, transition| {
        xml.maybe("Days", transition.days).maybe("Date", transition.date.map(moment)).text("StorageClass", transition.storage_class.word())
    });
    if let Some(expiration) = &rule.expiration {
        xml = xml.node("Expiration", |xml| {
            xml.maybe("Days", expiration.days)
                .maybe("Date", expiration.date.map(moment))
                .maybe("ExpiredObjectDeleteMarker", expiration.expired_object_delete_marker)
        });
    }
    xml = xml.each("NoncurrentVersionTransition", &rule.noncurrent_version_transitions, |xml, transition| {
        xml.text("NoncurrentDays", transition.noncurrent_days)
            .maybe("NewerNoncurrentVersions", transition.newer_noncurrent_versions)
            .text("StorageClass", transition.storage_class.word())
    });
    if let Some(expiration) = &rule.noncurrent_version_expiration {
        xml = xml.node("NoncurrentVersionExpiration", |xml| {
            xml.text("NoncurrentDays", expiration.noncurrent_days).maybe("NewerNoncurrentVersions", expiration.newer_noncurrent_versions)
        });
    }
    if let Some(abort) = &rule.abort_incomplete_multipart_upload {
        xml = xml.node("AbortIncompleteMultipartUpload", |xml| xml.text("DaysAfterInitiation", abort.days_after_initiation));
    }
    xml
}

fn write_filter(xml: Xml, filter: &Filter) -> Xml {
    let xml = xml.maybe("Prefix", filter.prefix.as_ref());
    let xml = match &filter.tag {
        Some(Tag { key, value }) => xml.node("Tag", |xml| xml.text("Key", key).text("Value", value)),
        None => xml,
    };
    let xml = xml.maybe("ObjectSizeGreaterThan", filter.object_size_greater_than).maybe("ObjectSizeLessThan", filter.object_size_less_than);
    match &filter.and {
        Some(and) => xml.node("And", |xml| write_and(xml, and)),
        None => xml,
    }
}

fn write_and(xml: Xml, and: &And) -> Xml {
    xml.maybe("Prefix", and.prefix.as_ref())
        .each("Tag", &and.tags, |xml, (key, value)| xml.text("Key", key).text("Value", value))
        .maybe("ObjectSizeGreaterThan", and.object_size_greater_than)
        .maybe("ObjectSizeLessThan", and.object_size_less_than)
}
