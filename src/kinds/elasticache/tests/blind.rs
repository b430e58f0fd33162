//! A client that sees nothing of one thing, for as long as it is told so.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use super::account::Account;
use super::gate::operation;

/// While it is set, the operation is refused wherever its body names that thing.
#[derive(Clone)]
pub struct Blind {
    inner: SharedHttpClient,
    operation: &'static str,
    names: &'static str,
    on: Arc<AtomicBool>,
}

impl fmt::Debug for Blind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "blind for {} of {}", self.operation, self.names)
    }
}

impl Blind {
    /// Puts it before the account's AWS.
    pub fn before(account: &mut Account, operation: &'static str, names: &'static str) -> Arc<AtomicBool> {
        let on = Arc::<AtomicBool>::default();
        let inner = account.connect.embedded.clone().expect("an embedded AWS");
        account.connect.embedded = Some(SharedHttpClient::new(Blind { inner, operation, names, on: Arc::clone(&on) }));
        on
    }
}

impl HttpClient for Blind {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { inner: self.inner.http_connector(settings, components), of: self.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    of: Blind,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        if self.of.on.load(Ordering::SeqCst) && operation(&request) == self.of.operation && body.contains(self.of.names) {
            let refused = SdkBody::from("{\"__type\": \"InvalidRequestException\", \"message\": \"not now\"}");
            return HttpConnectorFuture::ready(Ok(HttpResponse::new(400.try_into().expect("a status"), refused)));
        }
        self.inner.call(request)
    }
}
