//! The sandbox as the HTTP client of the AWS SDK: requests are serialised, signed and parsed as ever, and go nowhere.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use bytes::Bytes;

use super::Sandbox;

impl Sandbox {
    /// An HTTP client for `aws_config` whose every request this sandbox answers.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(Client(self.clone()))
    }
}

#[derive(Clone, Debug)]
struct Client(Sandbox);

impl HttpClient for Client {
    fn http_connector(&self, _settings: &HttpConnectorSettings, _components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let body = read(body).await?;
            let response = sandbox.handle(http::Request::from_parts(parts, body)).await.map_err(|cut| ConnectorError::io(cut.into()))?;
            HttpResponse::try_from(response.map(SdkBody::from)).map_err(|error| ConnectorError::user(error.into()))
        })
    }
}

async fn read(body: SdkBody) -> Result<Bytes, ConnectorError> {
    if let Some(bytes) = body.bytes() {
        return Ok(Bytes::copy_from_slice(bytes));
    }
    let collected = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::user(error.into()))?;
    Ok(collected.into_bytes())
}
