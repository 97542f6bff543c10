use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::api::http::App;
use crate::service::WriteState;
use crate::wire::grpc::config_service_server::SERVICE_NAME;

/// How often it is looked for who watches.
const LOOK: Duration = Duration::from_secs(1);

/// Whether a project can be read and written, as the health protocol of gRPC asks (grpc.health.v1).
pub(super) struct Health {
    pub app: App,
}

impl Health {
    fn status(&self) -> ServingStatus {
        let health = self.app.project.health();
        match health.history_ready && !matches!(health.writes, WriteState::Broken(_)) {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        }
    }
}

fn is_known(service: &str) -> bool {
    service.is_empty() || service == SERVICE_NAME
}

fn told(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl tonic_health::pb::health_server::Health for Health {
    type WatchStream = Changes;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match is_known(&request.get_ref().service) {
            true => Ok(Response::new(told(self.status()))),
            false => Err(Status::not_found("there is no such service")),
        }
    }

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Changes>, Status> {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let is_known = is_known(&request.get_ref().service);
        Ok(Response::new(Changes { health: Health { app: self.app.clone() }, is_known, looks, last: None }))
    }
}

/// The status, and whenever it is another one.
pub(super) struct Changes {
    health: Health,
    is_known: bool,
    looks: Interval,
    last: Option<ServingStatus>,
}

impl Stream for Changes {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            ready!(self.looks.poll_tick(context));
            if self.health.app.project.core().is_ending() {
                return Poll::Ready(None);
            }
            let status = if self.is_known { self.health.status() } else { ServingStatus::ServiceUnknown };
            if self.last != Some(status) {
                self.last = Some(status);
                return Poll::Ready(Some(Ok(told(status))));
            }
        }
    }
}
