//! Behaviour, end to end: the real binary over real repositories, driven by real clients.

// A test says what it expects by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod access;
mod architecture;
mod backup;
mod check;
mod cli;
mod crash;
mod day;
mod deploy;
mod document;
mod faults;
mod front_door;
mod git;
mod grpc;
mod harness;
mod http;
mod import;
mod live_settings;
mod logs;
mod metrics;
mod openapi;
mod outside_gc;
mod past;
mod paths;
mod problems;
mod proposals;
mod rest;
mod retention;
mod running;
mod schemas;
mod snapshots;
mod traces;
mod upstream;
mod views;
mod watch;
