//! The doors of the server. So far there is one: HTTP.

mod grpc;
pub mod http;
