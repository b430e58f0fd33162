//! What the service says of settings that no bucket here can have: clients which read a bucket as a whole ask for
//! them, and the answer of a bucket without them is the true one. Writing them is not implemented.

use super::wire::document;
use crate::sandbox::call::{Answer, Refusal};

/// The answer to a reading operation on a setting that is not set; nothing for an operation that is not one.
pub fn answer(operation: &str) -> Option<Result<Answer, Refusal>> {
    let missing = |code: &str, message: &str| Some(Err(Refusal::new(404, code, message)));
    match operation {
        "GetBucketAccelerateConfiguration" => Some(Ok(document("AccelerateConfiguration", |xml| xml))),
        "GetBucketNotificationConfiguration" => Some(Ok(document("NotificationConfiguration", |xml| xml))),
        "GetBucketRequestPayment" => Some(Ok(document("RequestPaymentConfiguration", |xml| xml.text("Payer", "BucketOwner")))),
        "GetBucketCors" => missing("NoSuchCORSConfiguration", "The CORS configuration does not exist"),
        "GetBucketReplication" => missing("ReplicationConfigurationNotFoundError", "The replication configuration was not found"),
        "GetObjectLockConfiguration" => {
            missing("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")
        }
        _ => None,
    }
}
