//! A connection with one request at a time.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::response::{BodyFraming, ResponseHead};
use crate::tally::Failure;

/// The buffer size: a head has to fit in.
const BUFFER: usize = 16 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// Range of the buffer that was read and not consumed yet.
    unread: std::ops::Range<usize>,
    /// The process at the other end, if a response has named it.
    pub(crate) worker: Option<u32>,
}

/// A complete response.
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) worker: Option<u32>,
    pub(crate) closes: bool,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Result<Self, Failure> {
        let connected = async {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connected.await.map_err(|error: io::Error| {
            // An overflowing accept queue may also cause a reset.
            match error.kind() {
                ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Failure::Refused,
                ErrorKind::TimedOut => Failure::TimedOut,
                _ => Failure::NotConnected,
            }
        })?;
        Ok(Connection {
            stream,
            buffer: vec![0; BUFFER].into(),
            unread: 0..0,
            worker: None,
        })
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Response, Failure> {
        self.unread = 0..0;
        let sent = self.stream.write_all(request).await;
        // If the write fails, there may still be a response: a server that does not
        // want the body, or that is overloaded, responds first and then closes.
        let head = match (self.head().await, sent) {
            (Err(Failure::Reset), Err(_)) => return Err(Failure::Reset),
            (head, _) => head?,
        };
        self.worker = head.worker.or(self.worker);
        match head.body {
            BodyFraming::Length(length) => self.skip(length).await?,
            BodyFraming::Chunked => self.skip_chunks().await?,
            BodyFraming::ToEnd => while self.fill().await? {},
        }
        if !matches!(head.body, BodyFraming::ToEnd) && !self.unread.is_empty() {
            return Err(Failure::Malformed);
        }
        Ok(Response {
            status: head.status,
            worker: head.worker,
            closes: head.closes,
        })
    }

    /// Completes when the server closes the connection or sends data without a request.
    pub(crate) async fn closed(&self) {
        loop {
            // The next use of the connection reports the error.
            if self.stream.readable().await.is_err() || self.is_closed() {
                return;
            }
        }
    }

    /// Returns whether the server has closed the connection, as far as is known here. It
    /// makes a system call only after a readiness event.
    pub(crate) fn is_closed(&self) -> bool {
        let nothing = self.stream.try_read(&mut [0]);
        !nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
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
            let at_once = count.min(self.unread.len());
            self.unread.start += at_once;
            count -= at_once;
            if count == 0 {
                return Ok(());
            }
            if !self.fill().await? {
                return Err(Failure::Cut);
            }
        }
    }

    /// Skips the chunks of a body. Trailers are not supported.
    async fn skip_chunks(&mut self) -> Result<(), Failure> {
        const LINE_END: usize = "\r\n".len();
        loop {
            let unread = &self.buffer[self.unread.clone()];
            match httparse::parse_chunk_size(unread).map_err(|_| Failure::Malformed)? {
                httparse::Status::Complete((line, size)) => {
                    let size = usize::try_from(size).map_err(|_| Failure::Malformed)?;
                    self.unread.start += line;
                    let all = size.checked_add(LINE_END).ok_or(Failure::Malformed)?;
                    self.skip(all).await?;
                    if size == 0 {
                        return Ok(());
                    }
                }
                httparse::Status::Partial => {
                    // Moves the partial line to the front.
                    self.buffer.copy_within(self.unread.clone(), 0);
                    self.unread = 0..self.unread.len();
                    if self.read().await.map_err(|_| Failure::Cut)? == 0 {
                        return Err(Failure::Cut);
                    }
                }
            }
        }
    }

    /// Reads more data after all was consumed. Returns `false` at the end.
    async fn fill(&mut self) -> Result<bool, Failure> {
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
