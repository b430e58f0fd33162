//! KMS keys, by any of their names: kinds that name the same key ask for it once a pass.

use std::sync::Arc;

use aws_sdk_kms::operation::describe_key::DescribeKeyOutput;

use crate::aws::{CallError, Reads};

/// What KMS says of a key; `region`: where it is asked, if not in the manifest's.
pub async fn described(reads: &Reads, region: Option<&str>, words: &str) -> Result<Arc<DescribeKeyOutput>, CallError> {
    let read = || async {
        let kms = match region {
            Some(region) => reads.kms().in_region(region),
            None => reads.kms(),
        };
        kms.describe_key(|request| request.key_id(words)).await
    };
    reads.once(format!("kms:DescribeKey/{}/{words}", region.unwrap_or_default()), read).await
}
