//! holdfast keeps an AWS account in the hardened state that its team wrote down in a YAML manifest.

pub mod aws;
pub mod clock;
pub mod execute;
pub mod kinds;
pub mod manifest;
#[cfg(feature = "sandbox")]
pub mod sandbox;
