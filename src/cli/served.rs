//! The time of a sandbox that another process serves (`holdfast sandbox serve --speed`): what holdfast waits for there, it waits for by that clock.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// How long it may take to answer: it is on this machine. An endpoint of somebody else's that keeps silent costs no more than that.
const PATIENCE: Duration = Duration::from_millis(500);

/// The clock of the sandbox at that endpoint, where its time runs faster than the machine's; nothing where it is another endpoint. A sandbox is served on
/// loopback addresses alone, so that nobody else is asked.
pub fn clock(endpoint: &str) -> Option<Clock> {
    let uri: http::Uri = endpoint.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    let address = SocketAddr::new(host.parse().ok().filter(std::net::IpAddr::is_loopback)?, uri.port_u16()?);
    if uri.scheme_str() != Some("http") {
        return None;
    }
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(format!("GET /_holdfast/clock HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
    told(&answered(&mut stream))
}

/// What comes within the time that it may take. Somebody else's answer may be long, or never end, and is of no use.
fn answered(stream: &mut TcpStream) -> String {
    let (mut answer, mut part, began) = (Vec::new(), [0; 1024], Instant::now());
    while answer.len() < 4096 && began.elapsed() < PATIENCE {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(read) => answer.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// What the answer says of its clock.
fn told(answer: &str) -> Option<Clock> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if !head.starts_with("HTTP/1.1 200") {
        return None;
    }
    let told: serde_json::Value = serde_json::from_str(body).ok()?;
    let speed = u32::try_from(told.get("speed")?.as_u64()?).ok().filter(|speed| *speed > 1)?;
    Some(Clock::running(told.get("now")?.as_str()?.parse().ok()?, speed))
}

#[cfg(all(test, feature = "sandbox"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sandbox::{Options, Sandbox};

    #[tokio::test(flavor = "multi_thread")]
    async fn the_time_of_a_served_sandbox_is_waited_for_by_its_own_clock() {
        let served = async |options: Options| {
            let sandbox = Sandbox::from_yaml("account: \"317805897534\"\nregion: us-east-1\n", options).unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let serving = tokio::spawn(async move { sandbox.serve(listener, std::future::pending()).await });
            let clock = tokio::task::spawn_blocking(move || clock(&endpoint)).await.unwrap();
            serving.abort();
            clock
        };
        let theirs = Clock::scaled(600);
        theirs.advance(Duration::from_secs(86_400));
        let ours = served(Options { clock: theirs.clone(), ..Options::default() }).await.unwrap();
        assert_eq!(ours.speed(), 600);
        let apart = theirs.now().duration_since(ours.now()).abs().as_secs();
        assert!(apart < 3_600, "{apart} s apart");
        assert!(served(Options { clock: Clock::system(), ..Options::default() }).await.is_none());
    }

    #[test]
    fn another_endpoint_has_no_clock_of_ours() {
        for endpoint in ["https://127.0.0.1:1", "http://10.0.0.1:4566", "http://example.com:80", "foo", "http://127.0.0.1"] {
            assert!(clock(endpoint).is_none(), "{endpoint}");
        }
        for answer in ["", "HTTP/1.1 404 Not Found\r\n\r\n{}", "HTTP/1.1 200 OK\r\n\r\n<html>", "HTTP/1.1 200 OK\r\n\r\n{\"speed\": 60}"] {
            assert!(told(answer).is_none(), "{answer}");
        }
    }
}
