//! A connection: one request and one answer after the other.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::answer::{Body, Head};
use crate::tally::Failure;

/// A head has to fit in; of a body as much is read at a time.
const BUFFER: usize = 16 * 1024;

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    /// What was read and is not used yet.
    unread: std::ops::Range<usize>,
    /// Which process has it, as far as its answers have told.
    pub(crate) worker: Option<u32>,
}

/// What was answered.
pub(crate) struct Answer {
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
            // A queue that overflows may be told by a reset.
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

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Result<Answer, Failure> {
        self.unread = 0..0;
        let sent = self.stream.write_all(request).await;
        // Who is gone may have answered before: a server that wants no body
        // does, or one that closes what is too much for it.
        let head = match (self.head().await, sent) {
            (Err(Failure::Reset), Err(_)) => return Err(Failure::Reset),
            (head, _) => head?,
        };
        self.worker = head.worker.or(self.worker);
        match head.body {
            Body::Length(length) => self.skip(length).await?,
            Body::Chunked => self.skip_chunks().await?,
            Body::ToEnd => while self.fill().await? {},
        }
        if !matches!(head.body, Body::ToEnd) && !self.unread.is_empty() {
            return Err(Failure::Malformed);
        }
        Ok(Answer {
            status: head.status,
            worker: head.worker,
            closes: head.closes,
        })
    }

    /// Completes when the other side has closed it, or sends what nobody asked
    /// for.
    pub(crate) async fn closed(&self) {
        loop {
            // An error is seen by whoever uses it next.
            if self.stream.readable().await.is_err() || self.is_closed() {
                return;
            }
        }
    }

    /// Whether the other side has closed it, as far as is known here. The system
    /// is only asked if it has told of something.
    pub(crate) fn is_closed(&self) -> bool {
        let nothing = self.stream.try_read(&mut [0]);
        !nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    async fn head(&mut self) -> Result<Head, Failure> {
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
            if let Some(head) = Head::parse(&self.buffer[self.unread.clone()])? {
                self.unread.start += head.length;
                return Ok(head);
            }
            if self.unread.end == self.buffer.len() {
                return Err(Failure::Malformed);
            }
        }
    }

    /// Leaves out so many bytes.
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

    /// Leaves out the chunks of a body. Trailers are none that we know.
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
                    // What is left of a line goes to the front.
                    self.buffer.copy_within(self.unread.clone(), 0);
                    self.unread = 0..self.unread.len();
                    if self.read().await.map_err(|_| Failure::Cut)? == 0 {
                        return Err(Failure::Cut);
                    }
                }
            }
        }
    }

    /// Reads on when all is used; whether there was more.
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
