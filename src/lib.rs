//! holdfast keeps an AWS account in the hardened state that its team wrote down in a YAML manifest.

pub mod clock;
#[cfg(feature = "sandbox")]
pub mod sandbox;
