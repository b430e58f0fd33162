//! holdfast keeps an AWS account in the hardened state that its team wrote down in a YAML manifest.

pub mod aws;
pub mod cli;
pub mod clock;
pub mod desired;
pub mod execute;
pub mod exit;
pub mod kinds;
pub mod load;
pub mod manifest;
pub mod plan;
pub mod reconcile;
#[cfg(feature = "sandbox")]
pub mod sandbox;
