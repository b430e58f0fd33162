//! The network between clients and nodes: bytes pass, or they do not.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What becomes of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    #[default]
    Up,
    /// Those that stand break, new ones are refused.
    Cut,
    /// Nothing passes and nobody is told: clients wait. Those that stood or came meanwhile break when it is over.
    Silent,
}

/// Resolves when the network is no longer what it was when the connection was made.
async fn fallen(network: &mut watch::Receiver<Network>) {
    // Without a sender the endpoint is gone, and nothing changes any more.
    if network.wait_for(|network| *network != Network::Up).await.is_err() {
        std::future::pending().await
    }
}

/// Waits as long as nothing is heard.
pub async fn silence(network: &mut watch::Receiver<Network>) {
    let _ = network.wait_for(|network| *network != Network::Silent).await;
}

/// Passes bytes both ways until the server is done or the network falls. A client that is done may still hear answers.
pub async fn join(client: impl AsyncRead + AsyncWrite, server: TcpStream, network: &mut watch::Receiver<Network>) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = server.into_split();
    {
        let passing = async {
            let asking = async {
                let asked = copy(&mut from_client, &mut to_server).await;
                let _ = to_server.shutdown().await;
                asked
            };
            let answering = async {
                let answered = copy(&mut from_server, &mut to_client).await;
                let _ = to_client.shutdown().await;
                answered
            };
            tokio::pin!(asking, answering);
            tokio::select! {
                answered = &mut answering => answered.map(drop),
                asked = &mut asking => match asked {
                    Ok(_) => answering.await.map(drop),
                    // The client is gone, not only silent.
                    Err(error) => Err(error),
                },
            }
        };
        tokio::select! {
            biased;
            // First: what comes after it has fallen does not pass.
            () = fallen(network) => {}
            passed = passing => return passed,
        }
    }
    // Both connections stand until here.
    silence(network).await;
    Ok(())
}
