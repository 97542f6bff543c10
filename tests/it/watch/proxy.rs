//! What stands between a client and a server: a way that breaks off, goes silent, or gathers what it carries.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How connections are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As they come.
    Passing,
    /// Not at all, and neither side is told.
    Silent,
    /// What the server says only once it is much.
    Gathering,
}

/// More than a watch is told in a test.
const GATHERED_BYTES: usize = 1 << 20;

/// A proxy on a port of its own, for as long as the test lasts.
pub struct Proxy {
    pub address: String,
    ways: Arc<Mutex<Vec<Way>>>,
}

struct Way {
    manner: Arc<AtomicU8>,
    ends: [TcpStream; 2],
}

impl Proxy {
    /// Carries connections to a server.
    pub fn to(server: &str, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let ways: Arc<Mutex<Vec<Way>>> = Arc::default();
        let (known, server) = (ways.clone(), server.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) else { return };
                // A server is to notice soon that nothing is taken from it.
                rustix::net::sockopt::set_socket_recv_buffer_size(&server, 4 << 10).unwrap();
                let manner = Arc::new(AtomicU8::new(manner as u8));
                let twin = |end: &TcpStream| end.try_clone().unwrap();
                carry(twin(&client), twin(&server), manner.clone(), false);
                carry(twin(&server), twin(&client), manner.clone(), true);
                known.lock().unwrap().push(Way { manner, ends: [client, server] });
            }
        });
        Proxy { address, ways }
    }

    /// Breaks off all connections there are.
    pub fn cut(&self) {
        for way in self.ways.lock().unwrap().drain(..) {
            way.ends.iter().for_each(|end| drop(end.shutdown(Shutdown::Both)));
        }
    }

    /// Carries nothing more over the connections there are, and keeps them open.
    pub fn fall_silent(&self) {
        let ways = self.ways.lock().unwrap();
        ways.iter().for_each(|way| way.manner.store(Manner::Silent as u8, Ordering::SeqCst));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, manner: Arc<AtomicU8>, may_gather: bool) {
    std::thread::spawn(move || {
        let (mut buffer, mut gathered) = ([0; 1 << 10], Vec::new());
        loop {
            while manner.load(Ordering::SeqCst) == Manner::Silent as u8 {
                std::thread::sleep(Duration::from_millis(50));
            }
            let count = from.read(&mut buffer).unwrap_or(0);
            gathered.extend_from_slice(&buffer[..count]);
            let now = manner.load(Ordering::SeqCst);
            if now == Manner::Silent as u8 && count > 0 {
                continue;
            }
            let waits = may_gather && now == Manner::Gathering as u8 && gathered.len() < GATHERED_BYTES;
            if (!waits || count == 0) && to.write_all(&std::mem::take(&mut gathered)).is_err() {
                return;
            }
            if count == 0 {
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    });
}
