//! The function lists and the interfaces that name them (PKCS#11 v3.2, 5.4.4 to 5.4.6).
//!
//! The names stand here once. That a list is complete and that every function has the header's prototype is checked by
//! the compiler: the lists are structure literals of the header's types.

use std::ffi::c_void;

use cryptoki_sys::{
    CK_FUNCTION_LIST, CK_FUNCTION_LIST_3_0, CK_FUNCTION_LIST_3_2, CK_INTERFACE, CK_UTF8CHAR, CK_VERSION,
};

use crate::entry;
use crate::memory::Interfaces;

/// The list of `C_GetFunctionList`, which the standard keeps at 2.40 for programs from before interfaces.
pub(crate) fn function_list() -> &'static CK_FUNCTION_LIST {
    &LIST_2_40
}

/// All interfaces, the default one first.
pub(crate) fn interfaces() -> &'static [CK_INTERFACE; 3] {
    &INTERFACES.0
}

/// The interface of a version; the newest for `None`.
pub(crate) fn interface(version: Option<CK_VERSION>) -> Option<&'static CK_INTERFACE> {
    let wanted = version.unwrap_or(VERSION_3_2);
    let versions = [VERSION_3_2, VERSION_3_0, VERSION_2_40];
    let same = |version: &CK_VERSION| (version.major, version.minor) == (wanted.major, wanted.minor);
    interfaces().iter().zip(&versions).find(|(_, version)| same(version)).map(|(interface, _)| interface)
}

/// The only name of an interface that the standard defines.
pub(crate) const NAME: &str = "PKCS 11";

macro_rules! lists {
    (2.40: $($v2:ident)* ; 3.0: $($v30:ident)* ; 3.2: $($v32:ident)* ;) => {
        static LIST_2_40: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: VERSION_2_40,
            $($v2: Some(entry::$v2),)*
        };
        static LIST_3_0: CK_FUNCTION_LIST_3_0 = CK_FUNCTION_LIST_3_0 {
            version: VERSION_3_0,
            $($v2: Some(entry::$v2),)*
            $($v30: Some(entry::$v30),)*
        };
        static LIST_3_2: CK_FUNCTION_LIST_3_2 = CK_FUNCTION_LIST_3_2 {
            version: VERSION_3_2,
            $($v2: Some(entry::$v2),)*
            $($v30: Some(entry::$v30),)*
            $($v32: Some(entry::$v32),)*
        };
    };
}

lists! {
    2.40:
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList
    C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
    C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize
    C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt
    C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest
    C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
    C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
    C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey
    C_UnwrapKey C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent;
    3.0:
    C_GetInterfaceList C_GetInterface C_LoginUser C_SessionCancel C_MessageEncryptInit C_EncryptMessage
    C_EncryptMessageBegin C_EncryptMessageNext C_MessageEncryptFinal C_MessageDecryptInit C_DecryptMessage
    C_DecryptMessageBegin C_DecryptMessageNext C_MessageDecryptFinal C_MessageSignInit C_SignMessage C_SignMessageBegin
    C_SignMessageNext C_MessageSignFinal C_MessageVerifyInit C_VerifyMessage C_VerifyMessageBegin C_VerifyMessageNext
    C_MessageVerifyFinal;
    3.2:
    C_EncapsulateKey C_DecapsulateKey C_VerifySignatureInit C_VerifySignature C_VerifySignatureUpdate
    C_VerifySignatureFinal C_GetSessionValidationFlags C_AsyncComplete C_AsyncGetID C_AsyncJoin C_WrapKeyAuthenticated
    C_UnwrapKeyAuthenticated;
}

const VERSION_2_40: CK_VERSION = CK_VERSION { major: 2, minor: 40 };
const VERSION_3_0: CK_VERSION = CK_VERSION { major: 3, minor: 0 };
const VERSION_3_2: CK_VERSION = CK_VERSION { major: 3, minor: 2 };

static NAME_Z: [CK_UTF8CHAR; 8] = *b"PKCS 11\0";

static INTERFACES: Interfaces = Interfaces([
    row((&raw const LIST_3_2).cast()),
    row((&raw const LIST_3_0).cast()),
    row((&raw const LIST_2_40).cast()),
]);

/// No flags: `CKF_INTERFACE_FORK_SAFE` would promise a child its parent's sessions, which belong to one process here.
const fn row(list: *const c_void) -> CK_INTERFACE {
    CK_INTERFACE { pInterfaceName: (&raw const NAME_Z).cast_mut().cast(), pFunctionList: list.cast_mut(), flags: 0 }
}
