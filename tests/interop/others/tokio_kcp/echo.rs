//! The peer around tokio_kcp. See peer_program.ts for what it reads and prints.
//!
//!     echo serve             sends every message back
//!     echo dial PORT CONV    sends the messages that it reads from stdin

use std::{env, error::Error, net::SocketAddr, process};

use tokio::io::{split, stdin, stdout, AsyncReadExt, AsyncWriteExt};
use tokio_kcp::{KcpConfig, KcpListener, KcpNoDelayConfig, KcpStream};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A read with this much room returns one whole message.
const MESSAGE: usize = 1 << 17;

fn config() -> KcpConfig {
    KcpConfig {
        nodelay: KcpNoDelayConfig::fastest(),
        ..KcpConfig::default()
    }
}

/// Prints a frame: the length, then the bytes.
async fn print(bytes: &[u8]) -> Result<()> {
    let mut out = stdout();
    out.write_all(&(bytes.len() as u32).to_le_bytes()).await?;
    out.write_all(bytes).await?;
    Ok(out.flush().await?)
}

/// Reads the next frame of stdin. The end of stdin says that the test has everything.
async fn next_frame(input: &mut tokio::io::Stdin) -> Vec<u8> {
    let mut header = [0; 4];
    if input.read_exact(&mut header).await.is_err() {
        process::exit(0);
    }
    let mut bytes = vec![0; u32::from_le_bytes(header) as usize];
    if input.read_exact(&mut bytes).await.is_err() {
        process::exit(1);
    }
    bytes
}

async fn serve() -> Result<()> {
    tokio::spawn(async { next_frame(&mut stdin()).await });
    let mut listener = KcpListener::bind(config(), "127.0.0.1:0").await?;
    print(listener.local_addr()?.port().to_string().as_bytes()).await?;
    let (mut stream, _) = listener.accept().await?;
    let mut buffer = vec![0; MESSAGE];
    loop {
        let count = stream.recv(&mut buffer).await?;
        print(&buffer[..count]).await?;
        stream.send(&buffer[..count]).await?;
    }
}

async fn dial(port: u16, conv: u32) -> Result<()> {
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = KcpStream::connect_with_conv(&config(), conv, to).await?;
    let (mut reader, mut writer) = split(stream);
    tokio::spawn(async move {
        let mut input = stdin();
        loop {
            // One write is one message.
            let message = next_frame(&mut input).await;
            if writer.write_all(&message).await.is_err() {
                process::exit(1);
            }
        }
    });
    let mut buffer = vec![0; MESSAGE];
    loop {
        let count = reader.read(&mut buffer).await?;
        print(&buffer[..count]).await?;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match &args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["dial", port, conv] => dial(port.parse()?, conv.parse()?).await,
        _ => Err("usage: echo serve | dial PORT CONV".into()),
    }
}
