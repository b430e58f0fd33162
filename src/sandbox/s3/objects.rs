//! Objects, as far as a client that looks around needs them: their bytes are measured and hashed, not kept.

use std::collections::BTreeSet;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::buckets;
use super::route::Target;
use super::settings::of_objects;
use super::state::Object;
use super::wire::{document, done, gone, header, invalid_argument, invalid_request, moment};
use super::{find, find_mut};
use crate::sandbox::call::{Answer, Call, Refusal};
use crate::sandbox::ids::{hex, sha256};
use crate::sandbox::protocol::rest::member;
use crate::sandbox::world::World;

/// What stays as it is where a client asks for keys in the encoding of URLs.
const IN_URL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

fn key(target: &Target) -> Result<&str, Refusal> {
    target.key.as_deref().ok_or_else(|| invalid_request("The request names no key."))
}

/// S3's ETag is an MD5 where the object is not encrypted with KMS, and no promise beyond being one for one content.
fn etag(object: &Object) -> String {
    format!("\"{}\"", object.sha256.get(..32).unwrap_or(&object.sha256))
}

pub fn put(world: &mut World, name: &str, target: &Target, call: &Call) -> Result<Answer, Refusal> {
    let key = key(target)?;
    if key.len() > 1024 {
        return Err(Refusal::new(400, "KeyTooLongError", "Your key is too long"));
    }
    let content = content(call)?;
    let modified = world.now;
    let bucket = find_mut(world, name)?;
    let object = Object {
        size: content.len() as u64,
        sha256: sha256(&content),
        modified,
        content_type: header(call, "content-type").map(str::to_owned),
    };
    let mut headers = vec![("etag", etag(&object))];
    headers.extend(of_objects(bucket));
    bucket.objects.insert(key.to_owned(), object);
    Ok(Answer { headers, ..done() })
}

/// The object's bytes: SDKs send them in chunks with a checksum behind the last.
fn content(call: &Call) -> Result<Bytes, Refusal> {
    let chunked = header(call, "content-encoding").is_some_and(|encoding| encoding.contains("aws-chunked"))
        || header(call, "x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-"));
    if !chunked {
        return Ok(call.body.clone());
    }
    let incomplete = || Refusal::new(400, "IncompleteBody", "The request body terminated unexpectedly");
    let mut content = Vec::new();
    let mut rest: &[u8] = &call.body;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or_else(incomplete)?;
        let (line, after) = rest.split_at(end);
        let size = line.split(|byte| *byte == b';').next().and_then(|size| std::str::from_utf8(size).ok());
        let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).ok_or_else(incomplete)?;
        if size == 0 {
            return Ok(Bytes::from(content));
        }
        let after = after.get(2..).ok_or_else(incomplete)?;
        content.extend_from_slice(after.get(..size).ok_or_else(incomplete)?);
        rest = after.get(size..).and_then(|rest| rest.strip_prefix(b"\r\n")).ok_or_else(incomplete)?;
    }
}

pub fn head(world: &World, name: &str, target: &Target) -> Result<Answer, Refusal> {
    let bucket = find(world, name)?;
    let object = bucket.objects.get(key(target)?).ok_or_else(|| Refusal::new(404, "NoSuchKey", "The specified key does not exist."))?;
    let mut headers = vec![
        ("etag", etag(object)),
        ("content-length", object.size.to_string()),
        ("last-modified", object.modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("content-type", object.content_type.clone().unwrap_or_else(|| "binary/octet-stream".to_owned())),
    ];
    headers.extend(of_objects(bucket));
    Ok(Answer { headers, ..done() })
}

/// Deleting what is not there succeeds, too.
pub fn delete(world: &mut World, name: &str, target: &Target) -> Result<Answer, Refusal> {
    let key = key(target)?;
    find_mut(world, name)?.objects.remove(key);
    Ok(gone())
}

/// One line of a listing.
enum Line<'a> {
    Object(&'a str, &'a Object),
    Prefix(String),
}

pub fn list(world: &World, name: &str, call: &Call) -> Result<Answer, Refusal> {
    let bucket = find(world, name)?;
    let prefix = member(call, "prefix").unwrap_or_default();
    let delimiter = member(call, "delimiter").filter(|delimiter| !delimiter.is_empty());
    let start_after = member(call, "start-after");
    let token = member(call, "continuation-token");
    let most: usize = match member(call, "max-keys") {
        None => 1000,
        Some(text) => text.parse().map_err(|_| invalid_argument("Provided max-keys not an integer or within integer range"))?,
    };
    let most = most.min(1000).min(world.page_size.max(1));
    let after = match &token {
        Some(token) => Some(buckets::token(token).ok_or_else(|| invalid_argument("The continuation token provided is incorrect"))?),
        None => start_after.clone(),
    };
    let (lines, last) = lines(bucket.objects.iter(), &prefix, delimiter.as_deref(), after.as_deref(), most);
    let url = match member(call, "encoding-type").as_deref() {
        None => false,
        Some("url") => true,
        Some(_) => return Err(invalid_argument("Invalid Encoding Method specified in Request")),
    };
    let encoded = |text: &str| if url { utf8_percent_encode(text, IN_URL).to_string() } else { text.to_owned() };
    Ok(document("ListBucketResult", |xml| {
        let xml = xml
            .text("Name", name)
            .text("Prefix", encoded(&prefix))
            .maybe("Delimiter", delimiter.as_deref().map(encoded))
            .maybe("StartAfter", start_after.as_deref().map(encoded))
            .maybe("ContinuationToken", token)
            .maybe("EncodingType", url.then_some("url"))
            .text("KeyCount", lines.len())
            .text("MaxKeys", most)
            .text("IsTruncated", last.is_some())
            .maybe("NextContinuationToken", last.map(|last| hex(last.as_bytes())));
        lines.iter().fold(xml, |xml, line| match line {
            Line::Object(key, object) => xml.node("Contents", |xml| {
                xml.text("Key", encoded(key))
                    .text("LastModified", moment(object.modified))
                    .text("ETag", etag(object))
                    .text("Size", object.size)
                    .text("StorageClass", "STANDARD")
            }),
            Line::Prefix(prefix) => xml.node("CommonPrefixes", |xml| xml.text("Prefix", encoded(prefix))),
        })
    }))
}

/// At most `most` lines behind `after`, and, where there are more, what the next page comes after.
fn lines<'a>(
    objects: impl Iterator<Item = (&'a String, &'a Object)>,
    prefix: &str,
    delimiter: Option<&str>,
    after: Option<&str>,
    most: usize,
) -> (Vec<Line<'a>>, Option<String>) {
    let mut lines = Vec::new();
    let mut prefixes = BTreeSet::new();
    let mut last = None;
    for (key, object) in objects {
        let Some(rest) = key.strip_prefix(prefix) else { continue };
        let common = delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
        let common = common.and_then(|end| rest.get(..end)).map(|rest| format!("{prefix}{rest}"));
        let name = common.as_deref().unwrap_or(key);
        if after.is_some_and(|after| name <= after) || prefixes.contains(name) {
            continue;
        }
        if lines.len() >= most {
            return (lines, last);
        }
        last = Some(name.to_owned());
        match common {
            Some(common) => {
                prefixes.insert(common.clone());
                lines.push(Line::Prefix(common));
            }
            None => lines.push(Line::Object(key, object)),
        }
    }
    (lines, None)
}
