//! A load generator that is cheap, because it shares the cores with the server it loads.
//!
//! Requests are raw bytes over keep-alive connections, over HTTP/1.1 one at a time on each; an answer is read
//! with one system call and checked for its status. Every load is bounded in time, and goes to loopback
//! only. Two shapes: [`closed_loop`] asks how much a server can do, [`open_loop`] how long requests wait at
//! a given rate.

mod client;
mod closed;
mod connection;
mod crowd;
mod grpc;
mod grpc_client;
mod open;
mod outcome;
mod request;
mod response;

pub use client::{CallError, Client, HttpClient, Traffic};
pub use closed::{Bounds, closed_loop};
pub use connection::Connection;
pub use crowd::{ANYWHERE, Crowd, Heard, IN_EVENT, Opening};
pub use grpc::{framed, open_stream};
pub use grpc_client::GrpcClient;
pub use open::{Schedule, open_loop};
pub use outcome::Outcome;
pub use request::Origin;
