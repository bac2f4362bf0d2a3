//! A connection that sends one request at a time.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::response::{BodyFraming, ResponseHead};
use crate::tally::Failure;

/// The buffer size. A response head must fit into the buffer.
const BUFFER_SIZE: usize = 16 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// The part of the buffer that was read but not yet consumed.
    unread: std::ops::Range<usize>,
    /// The server process, if a response has named it.
    pub(crate) worker: Option<u32>,
}

/// A complete response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) worker: Option<u32>,
    pub(crate) closes_connection: bool,
}

/// Connects to a server.
pub(crate) async fn connect(addr: SocketAddr) -> Result<TcpStream, Failure> {
    let connecting = async {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    connecting.await.map_err(|error: io::Error| {
        // A full accept queue may also cause a reset.
        match error.kind() {
            ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Failure::Refused,
            ErrorKind::TimedOut => Failure::TimedOut,
            _ => Failure::NotConnected,
        }
    })
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Result<Self, Failure> {
        Ok(Connection {
            stream: connect(addr).await?,
            buffer: vec![0; BUFFER_SIZE].into(),
            unread: 0..0,
            worker: None,
        })
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Response, Failure> {
        self.unread = 0..0;
        let sent = self.stream.write_all(request).await;
        // Even if the write fails, the server may have responded: it may reject the
        // request early, respond and close the connection.
        let head = match (self.head().await, sent) {
            (Err(Failure::Reset), Err(_)) => return Err(Failure::Reset),
            (head, _) => head?,
        };
        self.worker = head.worker.or(self.worker);
        match head.body {
            BodyFraming::Length(length) => self.skip(length).await?,
            BodyFraming::Chunked => self.skip_chunks().await?,
            BodyFraming::UntilClose => while self.read_more().await? {},
        }
        if !matches!(head.body, BodyFraming::UntilClose) && !self.unread.is_empty() {
            return Err(Failure::Malformed);
        }
        Ok(Response {
            status: head.status,
            worker: head.worker,
            closes_connection: head.closes_connection,
        })
    }

    /// Completes when the server closes the connection or sends unexpected data.
    pub(crate) async fn closed(&self) {
        loop {
            // An error is reported by the next use of the connection.
            if self.stream.readable().await.is_err() || self.is_closed() {
                return;
            }
        }
    }

    /// Returns whether the server is known to have closed the connection. It makes a
    /// system call only after a readiness event.
    pub(crate) fn is_closed(&self) -> bool {
        let peeked = self.stream.try_read(&mut [0]);
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    async fn head(&mut self) -> Result<ResponseHead, Failure> {
        loop {
            let read = match self.read().await {
                Ok(read) => read,
                Err(_) if self.unread.is_empty() => return Err(Failure::Reset),
                Err(_) => return Err(Failure::Cut),
            };
            match read {
                0 if self.unread.is_empty() => return Err(Failure::Reset),
                0 => return Err(Failure::Cut),
                _ => {}
            }
            if let Some(head) = ResponseHead::parse(&self.buffer[self.unread.clone()])? {
                self.unread.start += head.length;
                return Ok(head);
            }
            if self.unread.end == self.buffer.len() {
                return Err(Failure::Malformed);
            }
        }
    }

    /// Skips `count` bytes.
    async fn skip(&mut self, mut count: usize) -> Result<(), Failure> {
        loop {
            let available = count.min(self.unread.len());
            self.unread.start += available;
            count -= available;
            if count == 0 {
                return Ok(());
            }
            if !self.read_more().await? {
                return Err(Failure::Cut);
            }
        }
    }

    /// Skips a chunked body. Trailers are not supported.
    async fn skip_chunks(&mut self) -> Result<(), Failure> {
        const LINE_END: usize = "\r\n".len();
        loop {
            let unread = &self.buffer[self.unread.clone()];
            match httparse::parse_chunk_size(unread).map_err(|_| Failure::Malformed)? {
                httparse::Status::Complete((line, size)) => {
                    let size = usize::try_from(size).map_err(|_| Failure::Malformed)?;
                    self.unread.start += line;
                    let size_with_line_end =
                        size.checked_add(LINE_END).ok_or(Failure::Malformed)?;
                    self.skip(size_with_line_end).await?;
                    if size == 0 {
                        return Ok(());
                    }
                }
                httparse::Status::Partial => {
                    // Moves the partial line to the start of the buffer.
                    self.buffer.copy_within(self.unread.clone(), 0);
                    self.unread = 0..self.unread.len();
                    if self.read().await.map_err(|_| Failure::Cut)? == 0 {
                        return Err(Failure::Cut);
                    }
                }
            }
        }
    }

    /// Reads more data after the buffer was consumed. Returns `false` at the end of the
    /// stream.
    async fn read_more(&mut self) -> Result<bool, Failure> {
        self.unread = 0..0;
        let read = self.read().await.map_err(|_| Failure::Cut)?;
        Ok(read > 0)
    }

    async fn read(&mut self) -> io::Result<usize> {
        let read = self.stream.read(&mut self.buffer[self.unread.end..]);
        let read = read.await?;
        self.unread.end += read;
        Ok(read)
    }
}
