use std::net::SocketAddr;

use axum::http::{Extensions, HeaderMap, Uri};
use tonic::{Request, Response, Status};

use super::{SentTo, look_back, read, watch, write};
use crate::api::http::problem::Problem;
use crate::api::http::{App, Peer, caller};
use crate::auth::{Principal, ReadGrant, WriteGrant};
use crate::wire::grpc::config_service_server::ConfigService;
use crate::wire::grpc::{
    AcknowledgeRequest, AcknowledgeResponse, ApplyRequest, BatchGetRequest, BatchGetResponse, DeleteRequest,
    DiffRequest, DiffResponse, ExplainRequest, ExplainResponse, GetRequest, GetResponse, HistoryRequest,
    HistoryResponse, ListRequest, ListResponse, PutRequest, WatchRequest, WriteResponse,
};

/// What one project answers over gRPC.
pub(super) struct Service {
    pub app: App,
}

/// Who sent a request, and how.
pub(super) struct Caller<'a> {
    pub headers: &'a HeaderMap,
    pub extensions: &'a Extensions,
    uri: Uri,
}

impl Caller<'_> {
    pub fn may_read(&self, app: &App) -> Result<ReadGrant, Problem> {
        caller::may_read(app, self.headers, &self.uri)
    }

    pub fn may_write(&self, app: &App) -> Result<WriteGrant, Problem> {
        caller::may_write(app, self.headers, &self.uri)
    }

    pub fn principal(&self, app: &App) -> Result<Principal, Problem> {
        caller::principal(app, self.headers, &self.uri)
    }

    pub fn request_id(&self) -> Option<String> {
        caller::request_id(self.headers)
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        self.extensions.get::<Peer>().map(|Peer(peer)| *peer)
    }
}

/// Takes a request apart: who sent it, and what it asks for.
macro_rules! asked {
    ($request:ident) => {{
        let (metadata, extensions, message) = $request.into_parts();
        (metadata.into_headers(), extensions, message)
    }};
}

/// The caller of such parts.
fn caller<'a>(headers: &'a HeaderMap, extensions: &'a Extensions) -> Caller<'a> {
    let uri = extensions.get::<SentTo>().map(|SentTo(uri)| uri.clone()).unwrap_or_default();
    Caller { headers, extensions, uri }
}

#[tonic::async_trait]
impl ConfigService for Service {
    type WatchStream = watch::Changes;

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<GetResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(read::get(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn batch_get(
        &self,
        request: Request<BatchGetRequest>,
    ) -> Result<Response<BatchGetResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(read::batch_get(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(read::list(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<WriteResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(write::put(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<WriteResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(write::delete(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn apply(&self, request: Request<ApplyRequest>) -> Result<Response<WriteResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(write::apply(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn history(&self, request: Request<HistoryRequest>) -> Result<Response<HistoryResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(look_back::history(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<DiffResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(look_back::diff(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn explain(&self, request: Request<ExplainRequest>) -> Result<Response<ExplainResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(look_back::explain(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<watch::Changes>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(watch::watch(&self.app, caller(&headers, &extensions), message).await?))
    }

    async fn acknowledge(
        &self,
        request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        let (headers, extensions, message) = asked!(request);
        Ok(Response::new(watch::acknowledge(&self.app, &caller(&headers, &extensions), &message)?))
    }
}
