//! Where and when a call happens, and the names that follow from it.

use jiff::Timestamp;

use crate::sandbox::ids::sha256;
use crate::sandbox::redis::Addresses;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: String,
    pub port: u16,
}

/// The account, region and time of a call.
#[derive(Clone, Debug)]
pub struct Place {
    pub account: String,
    pub region: String,
    pub page_size: usize,
    pub now: Timestamp,
    /// Where real servers are, if they run.
    pub servers: Option<Addresses>,
}

impl Place {
    /// `kind` is `replicationgroup`, `cluster`, `parametergroup`, `subnetgroup` or `snapshot`.
    pub fn arn(&self, kind: &str, name: &str) -> String {
        format!("arn:aws:elasticache:{}:{}:{kind}:{name}", self.region, self.account)
    }

    /// A key's id as an ARN; an alias or an ARN is given back as it came.
    pub fn key(&self, key: &str) -> String {
        if key.starts_with("arn:") || key.starts_with("alias/") {
            return key.to_owned();
        }
        format!("arn:aws:kms:{}:{}:key/{key}", self.region, self.account)
    }

    /// Where something answers: at `host` and `port`, or where the real server of that name is.
    pub fn endpoint(&self, name: &str, host: String, port: u16) -> Endpoint {
        match self.servers.as_ref().and_then(|servers| servers.get(name)) {
            Some(at) => Endpoint { host: at.ip().to_string(), port: at.port() },
            None => Endpoint { host, port },
        }
    }

    pub fn zone(&self, number: u32) -> String {
        let letter = ["a", "b", "c"].into_iter().cycle().nth(usize::try_from(number % 3).unwrap_or(0)).unwrap_or("a");
        format!("{}{letter}", self.region)
    }

    /// The part of host names that is the account's own, six letters.
    pub fn host_key(&self) -> String {
        sha256(format!("{}/{}", self.account, self.region)).chars().take(6).collect()
    }

    /// The end of every host name: `use1.cache.amazonaws.com`.
    pub fn domain(&self) -> String {
        let mut parts = self.region.split('-');
        let area = parts.next().unwrap_or_default();
        let direction: String = match parts.next().unwrap_or_default() {
            "northeast" => "ne".to_owned(),
            "northwest" => "nw".to_owned(),
            "southeast" => "se".to_owned(),
            "southwest" => "sw".to_owned(),
            other => other.chars().take(1).collect(),
        };
        format!("{area}{direction}{}.cache.amazonaws.com", parts.next().unwrap_or_default())
    }
}
