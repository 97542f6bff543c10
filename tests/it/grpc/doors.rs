//! One port, and what clients find behind it.

use confgit::wire::grpc::*;
use serde_json::json;
use tonic::Code;

use super::{channel, connect, run};
use crate::harness::{TestProject, exchange};

#[test]
fn health_and_reflection_need_no_key() {
    let project = TestProject::example();
    let server = project.serve();
    run(async {
        use tonic_health::pb::health_check_response::ServingStatus;
        use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
        let mut health = HealthClient::new(channel(&server).await);
        for service in ["", "confgit.v1.ConfigService"] {
            let request = HealthCheckRequest { service: service.into() };
            assert_eq!(health.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving);
        }
        let unknown = HealthCheckRequest { service: "nobody".into() };
        assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
        let mut stream = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
        assert_eq!(stream.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
        use tonic_reflection::pb::v1::ServerReflectionRequest;
        use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
        use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
        use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
        let mut reflection = ServerReflectionClient::new(channel(&server).await);
        let list = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let request = tonic::codegen::tokio_stream::once(list);
        let mut answers = reflection.server_reflection_info(request).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(services) = answer else { panic!("{answer:?}") };
        assert!(
            services.service.iter().any(|service| service.name == "confgit.v1.ConfigService"),
            "{services:?}"
        );
    });
}

#[test]
fn what_is_no_grpc_is_told_so() {
    let project = TestProject::example();
    let server = project.serve();
    let bearer = format!("Bearer {}", server.key);
    let headers =
        [("Host", &*server.address), ("Authorization", &*bearer), ("Content-Type", "application/grpc")];
    // Over HTTP/1.1 its answer could not be told.
    let answer =
        exchange(&server.address, "POST", "/confgit.v1.ConfigService/Get", &headers, b"\0\0\0\0\0").unwrap();
    assert_eq!((answer.status, &answer.json()["type"]), (415, &json!("/problems/unsupported-media-type")));
    // Nothing of gRPC is a path of REST.
    assert_eq!(server.post("/confgit.v1.ConfigService/Get", json!({})).status, 404);
    run(async {
        let mut client = tonic::client::Grpc::new(channel(&server).await);
        client.ready().await.unwrap();
        let codec = tonic_prost::ProstCodec::<GetRequest, GetResponse>::default();
        let path = "/confgit.v1.ConfigService/Nothing".parse().unwrap();
        let mut request = tonic::Request::new(GetRequest::default());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        let status = client.unary(request, path, codec).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented);
        let mut request = tonic::Request::new(GetRequest { path: "/myapp".into(), ..Default::default() });
        request.metadata_mut().insert("confgit-project", "nobody".parse().unwrap());
        assert_eq!(connect(&server).await.get(request).await.unwrap_err().code(), Code::NotFound);
        let mut request = tonic::Request::new(GetRequest { path: "/myapp".into(), ..Default::default() });
        request.metadata_mut().insert("confgit-project", "project".parse().unwrap());
        connect(&server).await.get(request).await.unwrap();
    });
    let metrics = server.get("/metrics").text();
    assert!(
        metrics.contains("confgit_http_request_seconds_count{class=\"read\",status=\"2xx\"}"),
        "{metrics}"
    );
}
