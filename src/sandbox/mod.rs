//! An AWS inside the process: what `--sandbox` runs against, what the tests run against, and what
//! `holdfast sandbox serve` lends to any AWS client.
//!
//! It is written from the services' documentation and knows nothing of what `kinds` declare, so that it can
//! disagree with them. Requests reach it through the SDK's own HTTP client interface ([`Sandbox::http_client`]):
//! they are really serialised, and answers really parsed.

pub mod call;
mod cloudtrail;
mod delivery;
mod elasticache;
mod guardduty;
mod kms;
pub mod protocol;
mod rds;
mod s3;
mod s3control;
mod secretsmanager;
mod sns;
mod sts;
pub mod world;
