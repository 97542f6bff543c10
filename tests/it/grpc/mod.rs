//! gRPC: the same as HTTP, on the same port.

mod doors;
mod parity;
mod watching;

use confgit::wire::grpc::config_service_client::ConfigServiceClient;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::harness::{DEADLINE, Server};

/// Shows a key with each request.
#[derive(Clone)]
pub struct Key(Option<String>);

impl tonic::service::Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            let value: MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

pub type Client = ConfigServiceClient<InterceptedService<Channel, Key>>;

/// A connection of its own.
pub async fn connect(server: &Server) -> Client {
    connect_as(server, Some(&server.key)).await
}

pub async fn connect_as(server: &Server, key: Option<&str>) -> Client {
    let channel = channel(server).await;
    ConfigServiceClient::with_interceptor(channel, Key(key.map(str::to_owned)))
        .max_decoding_message_size(64 << 20)
}

pub async fn channel(server: &Server) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    endpoint.timeout(DEADLINE).connect().await.unwrap()
}

/// Runs a test of its own runtime.
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}
