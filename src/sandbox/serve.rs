//! The sandbox on a TCP port, for any AWS client: `AWS_ENDPOINT_URL=http://127.0.0.1:4566`.

use std::future::IntoFuture as _;
use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{Method, StatusCode};
use tokio::net::TcpListener;

use super::{Cut, Sandbox};

/// The most that a request may hold, in bytes: more than any request of the services that are here needs.
const MOST: usize = 64 << 20;

/// How often real servers are looked after.
const FOLLOWING: Duration = Duration::from_millis(200);

impl Sandbox {
    /// Answers whoever connects, until `stop` resolves; requests under way are then finished.
    ///
    /// Besides AWS's own requests there is `GET /_holdfast/world`: the account as JSON, without secrets. It needs no
    /// signature and is not counted as a call. `GET /_holdfast/clock` tells its time and how fast that runs: who waits for it does so by this clock. Where real Redis servers run, `GET /_holdfast/ca.pem` is the authority that their certificates are of.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let router = Router::new().fallback(answer).with_state(self.clone());
        // Real servers follow also when nobody calls: a group becomes available, an address begins to answer.
        let following = async {
            while self.redis().is_some() {
                self.followed().await;
                tokio::time::sleep(FOLLOWING).await;
            }
            std::future::pending().await
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop).into_future();
        tokio::select! {
            served = serving => served,
            never = following => never,
        }
    }
}

async fn answer(State(sandbox): State<Sandbox>, request: Request) -> Response {
    if request.method() == Method::GET && request.uri().path() == "/_holdfast/world" {
        let mut response = Response::new(Body::from(sandbox.snapshot().to_string()));
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        return response;
    }
    if request.method() == Method::GET && request.uri().path() == "/_holdfast/clock" {
        let clock = sandbox.clock();
        let told = serde_json::json!({"now": clock.now().to_string(), "speed": clock.speed()});
        return Response::new(Body::from(told.to_string()));
    }
    if request.method() == Method::GET && request.uri().path() == "/_holdfast/ca.pem" {
        let file = sandbox.redis().and_then(|servers| std::fs::read_to_string(servers.ca_file()).ok());
        let mut response = Response::new(Body::from(file.unwrap_or_default()));
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/x-pem-file"));
        return response;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST).await else {
        let mut response = Response::new(Body::from("The request is too large, or broke off."));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    };
    match sandbox.handle(http::Request::from_parts(parts, body)).await {
        Ok(response) => response.map(Body::from),
        // A body that fails at once: the server gives the connection up before it has sent anything.
        Err(Cut) => Response::new(Body::from_stream(futures::stream::once(async { Err::<bytes::Bytes, Cut>(Cut) }))),
    }
}
