//! The list of commands, each as plain functions over bytes.

use serde_json::{Value, json};
use transport::ddi::*;

use crate::json::Json;

/// A frame that was understood: what it says, and itself written again in each dialect.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Value,
    pub(crate) fields: Value,
    pub(crate) shown: String,
    pub(crate) written: [Result<Vec<u8>, CodecError>; 2],
}

impl Frame {
    pub(crate) fn written(&self, dialect: Dialect) -> &Result<Vec<u8>, CodecError> {
        &self.written[usize::from(dialect == Dialect::Physical)]
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Command {
    pub(crate) name: &'static str,
    pub(crate) opcode: Opcode,
    pub(crate) control: SessionControl,
    /// As the device reads it.
    pub(crate) request: fn(&[u8], Dialect) -> Result<Frame, CodecError>,
    /// As the client reads it.
    pub(crate) response: fn(&[u8], Dialect) -> Result<Frame, CodecError>,
}

pub(crate) const DIALECTS: [Dialect; 2] = [Dialect::Virtual, Dialect::Physical];

macro_rules! commands {
    ($($name:ident)+) => {
        pub(crate) const COMMANDS: &[Command] = &[$(Command {
            name: stringify!($name),
            opcode: <command::$name as Request>::OPCODE,
            control: <command::$name as Request>::CONTROL,
            request: |bytes, dialect| {
                let (header, body) = decode_request_header(bytes, dialect)?;
                let fields: command::$name = decode_body(body)?;
                let written = DIALECTS.map(|dialect| {
                    let mut out = vec![0xEE; 3];
                    encode_request(header.rev, header.session, &fields, dialect, &mut out).map(|()| out)
                });
                let shown = format!("{fields:?}");
                Ok(Frame { header: header.json(), fields: fields.json(), shown, written })
            },
            response: |bytes, dialect| {
                let (header, body) = decode_response::<command::$name>(bytes, dialect)?;
                let written = DIALECTS.map(|dialect| {
                    let mut out = vec![0xEE; 3];
                    match &body {
                        Some(body) => encode_response(&header, body, dialect, &mut out)?,
                        None => encode_error(&header, &mut out),
                    }
                    Ok(out)
                });
                let shown = format!("{body:?}");
                let fields = body.as_ref().map_or_else(|| json!({}), Json::json);
                Ok(Frame { header: header.json(), fields, shown, written })
            },
        }),+];
    };
}

commands! {
    GetApiRev GetDeviceInfo DeleteKey OpenKey AttestKey RsaModExp RsaUnwrap GetUnwrappingKey EccGenerateKeyPair EccSign
    AesGenerateKey AesEncryptDecrypt EcdhKeyExchange HkdfDerive KbkdfCounterHmacDerive Hmac GetEstablishCredEncryptionKey
    EstablishCredential GetSessionEncryptionKey OpenSession CloseSession ChangePin UnmaskKey GetCertChainInfo
    GetCertificate ReopenSession InitBk3 GetSealedBk3 SetSealedBk3
}

pub(crate) fn command(name: &str) -> &'static Command {
    COMMANDS.iter().find(|command| command.name == name).unwrap_or_else(|| panic!("no command {name}"))
}
