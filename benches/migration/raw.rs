//! The smallest client there can be: what it costs stands in no figure of a server's own rate.

use std::io::{Read, Write};
use std::net::TcpStream;

/// A blocking connection.
pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What of the buffer was not read yet.
    rest: std::ops::Range<usize>,
}

/// Appends a command to what will be sent.
pub fn command(to: &mut Vec<u8>, words: &[&[u8]]) {
    let _ = write!(to, "*{}\r\n", words.len());
    for word in words {
        let _ = write!(to, "${}\r\n", word.len());
        to.extend_from_slice(word);
        to.extend_from_slice(b"\r\n");
    }
}

impl Raw {
    pub fn connect(port: u16) -> std::io::Result<Raw> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        Ok(Raw { stream, buffer: vec![0; 1 << 18], rest: 0..0 })
    }

    pub fn send(&mut self, commands: &[u8]) {
        self.stream.write_all(commands).expect("it takes commands");
    }

    /// One command and its answer, which is no error.
    pub fn ask(&mut self, words: &[&str]) {
        let mut bytes = Vec::new();
        command(&mut bytes, &words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        self.send(&bytes);
        self.answer(&mut |_| {});
    }

    /// Reads one answer, and shows each string and number in it.
    pub fn answer(&mut self, seen: &mut impl FnMut(&[u8])) {
        let line = self.line();
        let (kind, text) = self.buffer[line].split_first().expect("an answer");
        let kind = *kind;
        let number = || std::str::from_utf8(text).ok()?.parse::<i64>().ok();
        match kind {
            b'$' => match usize::try_from(number().expect("a length")) {
                Ok(length) => {
                    let bytes = self.bytes(length + 2);
                    seen(&self.buffer[bytes][..length]);
                }
                Err(_) => seen(b""),
            },
            b'*' => (0..number().expect("a count").max(0)).for_each(|_| self.answer(seen)),
            b'-' => panic!("{}", String::from_utf8_lossy(text)),
            _ => seen(text),
        }
    }

    fn line(&mut self) -> std::ops::Range<usize> {
        loop {
            let rest = &self.buffer[self.rest.clone()];
            if let Some(length) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.rest.start..self.rest.start + length;
                self.rest.start += length + 2;
                return line;
            }
            self.more();
        }
    }

    fn bytes(&mut self, length: usize) -> std::ops::Range<usize> {
        while self.rest.len() < length {
            self.more();
        }
        let bytes = self.rest.start..self.rest.start + length;
        self.rest.start += length;
        bytes
    }

    fn more(&mut self) {
        if self.rest.start > 0 {
            self.buffer.copy_within(self.rest.clone(), 0);
            self.rest = 0..self.rest.len();
        }
        if self.rest.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        let read = self.stream.read(&mut self.buffer[self.rest.end..]).expect("it answers");
        assert!(read > 0, "the server has closed the connection");
        self.rest.end += read;
    }
}
