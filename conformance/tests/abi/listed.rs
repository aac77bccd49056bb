//! Which return values the standard lists for which function: PKCS#11 v3.2, 5.4 to 5.19 and "Asynchronous function
//! management functions", function by function. Left out is what no function here has a use for: `CKR_PENDING`,
//! `CKR_FUNCTION_CANCELED`, `CKR_PIN_EXPIRED`, `CKR_OPERATION_CANCEL_FAILED`, `CKR_TOKEN_RESOURCE_EXCEEDED`,
//! `CKR_FUNCTION_REJECTED`, `CKR_PARAMETER_SET_NOT_SUPPORTED`.

use cryptoki_sys::*;

/// Whether the standard lists a return value for a function.
pub(crate) fn is_listed(function: &str, rv: CK_RV) -> bool {
    let (_, own, groups) = LISTED.iter().find(|(name, ..)| *name == function).expect("a function of the table");
    ALWAYS.contains(&rv) || own.contains(&rv) || groups.iter().any(|group| group.contains(&rv))
}

/// Any function (5.1.1), and a function that the library has not (5.1.6).
const ALWAYS: &[CK_RV] = &[
    CKR_OK,
    CKR_GENERAL_ERROR,
    CKR_HOST_MEMORY,
    CKR_FUNCTION_FAILED,
    CKR_FUNCTION_NOT_SUPPORTED,
    CKR_OPERATION_NOT_VALIDATED,
];
const LIBRARY: &[CK_RV] = &[CKR_CRYPTOKI_NOT_INITIALIZED];
/// A function that uses a token (5.1.3); what `C_GetSlotInfo` lists besides `CKR_DEVICE_ERROR` does not occur.
const DEVICE: &[CK_RV] =
    &[CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_INITIALIZED];
const SLOT: &[CK_RV] = &[CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_RECOGNIZED, CKR_ARGUMENTS_BAD];
/// A function that takes a session (5.1.2).
const SESSION: &[CK_RV] = &[CKR_SESSION_CLOSED, CKR_SESSION_HANDLE_INVALID];
/// Of nearly all of them since v3.2, where an asynchronous operation may still run.
const BUSY: &[CK_RV] = &[CKR_OPERATION_ACTIVE];
/// The mechanism of an operation or a new key.
const MECHANISM: &[CK_RV] = &[CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID];
/// The key of an operation.
const KEY: &[CK_RV] = &[CKR_KEY_HANDLE_INVALID, CKR_KEY_SIZE_RANGE, CKR_KEY_TYPE_INCONSISTENT];
/// Beginning an operation with a key.
const INIT: &[CK_RV] = &[CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_USER_NOT_LOGGED_IN];
/// An operation that runs, and its output.
const RUN: &[CK_RV] = &[CKR_ARGUMENTS_BAD, CKR_OPERATION_NOT_INITIALIZED];
const OUTPUT: &[CK_RV] = &[CKR_BUFFER_TOO_SMALL];
const DATA: &[CK_RV] = &[CKR_DATA_INVALID, CKR_DATA_LEN_RANGE];
const ENCRYPTED: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE];
const SIGNATURE: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];
/// The template of a changed object.
const CHANGE: &[CK_RV] = &[
    CKR_ARGUMENTS_BAD,
    CKR_ATTRIBUTE_READ_ONLY,
    CKR_ATTRIBUTE_TYPE_INVALID,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_SESSION_READ_ONLY,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_TOKEN_WRITE_PROTECTED,
    CKR_USER_NOT_LOGGED_IN,
];
/// The template of a new object.
const TEMPLATE: &[CK_RV] = &[CKR_CURVE_NOT_SUPPORTED, CKR_TEMPLATE_INCOMPLETE];
const PIN: &[CK_RV] = &[CKR_PIN_INCORRECT, CKR_PIN_LOCKED];
const LOGIN: &[CK_RV] = &[
    CKR_ARGUMENTS_BAD,
    CKR_OPERATION_NOT_INITIALIZED,
    CKR_SESSION_READ_ONLY_EXISTS,
    CKR_USER_ALREADY_LOGGED_IN,
    CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
    CKR_USER_PIN_NOT_INITIALIZED,
    CKR_USER_TOO_MANY_TYPES,
    CKR_USER_TYPE_INVALID,
];
const WRAPPING: &[CK_RV] = &[
    CKR_WRAPPING_KEY_HANDLE_INVALID,
    CKR_WRAPPING_KEY_SIZE_RANGE,
    CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_KEY_HANDLE_INVALID,
    CKR_KEY_NOT_WRAPPABLE,
    CKR_KEY_SIZE_RANGE,
    CKR_KEY_UNEXTRACTABLE,
    CKR_USER_NOT_LOGGED_IN,
    CKR_ARGUMENTS_BAD,
];
/// Of decapsulation too.
const UNWRAPPING: &[CK_RV] = &[
    CKR_UNWRAPPING_KEY_HANDLE_INVALID,
    CKR_UNWRAPPING_KEY_SIZE_RANGE,
    CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
    CKR_WRAPPED_KEY_INVALID,
    CKR_WRAPPED_KEY_LEN_RANGE,
    CKR_BUFFER_TOO_SMALL,
    CKR_DOMAIN_PARAMS_INVALID,
];
/// A function that takes a session and uses its token.
const USUAL: &[CK_RV] = &[
    CKR_CRYPTOKI_NOT_INITIALIZED,
    CKR_DEVICE_ERROR,
    CKR_DEVICE_MEMORY,
    CKR_DEVICE_REMOVED,
    CKR_TOKEN_NOT_PRESENT,
    CKR_TOKEN_NOT_INITIALIZED,
    CKR_SESSION_CLOSED,
    CKR_SESSION_HANDLE_INVALID,
];

type Row = (&'static str, &'static [CK_RV], &'static [&'static [CK_RV]]);

const LISTED: &[Row] = &[
    // 5.4
    (
        "C_Initialize",
        &[CKR_ARGUMENTS_BAD, CKR_CANT_LOCK, CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_NEED_TO_CREATE_THREADS],
        &[],
    ),
    ("C_Finalize", &[CKR_ARGUMENTS_BAD], &[LIBRARY]),
    ("C_GetInfo", &[CKR_ARGUMENTS_BAD], &[LIBRARY]),
    ("C_GetFunctionList", &[CKR_ARGUMENTS_BAD], &[]),
    ("C_GetInterfaceList", &[CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL], &[]),
    ("C_GetInterface", &[CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL], &[]),
    // 5.5
    ("C_GetSlotList", &[CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL], &[LIBRARY]),
    ("C_GetSlotInfo", &[CKR_ARGUMENTS_BAD, CKR_SLOT_ID_INVALID, CKR_DEVICE_ERROR], &[LIBRARY]),
    ("C_GetTokenInfo", &[], &[LIBRARY, DEVICE, SLOT]),
    ("C_WaitForSlotEvent", &[CKR_ARGUMENTS_BAD, CKR_NO_EVENT], &[LIBRARY]),
    ("C_GetMechanismList", &[CKR_BUFFER_TOO_SMALL], &[LIBRARY, DEVICE, SLOT]),
    ("C_GetMechanismInfo", &[CKR_MECHANISM_INVALID], &[LIBRARY, DEVICE, SLOT]),
    ("C_InitToken", &[CKR_SESSION_EXISTS, CKR_TOKEN_WRITE_PROTECTED], &[LIBRARY, DEVICE, SLOT, PIN]),
    (
        "C_InitPIN",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_PIN_INVALID,
            CKR_PIN_LEN_RANGE,
            CKR_SESSION_READ_ONLY,
            CKR_TOKEN_WRITE_PROTECTED,
            CKR_USER_NOT_LOGGED_IN,
        ],
        &[USUAL, BUSY],
    ),
    (
        "C_SetPIN",
        &[CKR_ARGUMENTS_BAD, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_SESSION_READ_ONLY, CKR_TOKEN_WRITE_PROTECTED],
        &[USUAL, BUSY, PIN],
    ),
    // 5.6
    (
        "C_OpenSession",
        &[
            CKR_SESSION_ASYNC_NOT_SUPPORTED,
            CKR_SESSION_COUNT,
            CKR_SESSION_PARALLEL_NOT_SUPPORTED,
            CKR_SESSION_READ_WRITE_SO_EXISTS,
            CKR_TOKEN_WRITE_PROTECTED,
        ],
        &[LIBRARY, DEVICE, SLOT],
    ),
    ("C_CloseSession", &[], &[USUAL, BUSY]),
    ("C_CloseAllSessions", &[CKR_SLOT_ID_INVALID], &[LIBRARY, DEVICE]),
    ("C_GetSessionInfo", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY]),
    ("C_SessionCancel", &[], &[USUAL, BUSY]),
    ("C_GetOperationState", &[CKR_STATE_UNSAVEABLE], &[USUAL, BUSY, RUN, OUTPUT]),
    (
        "C_SetOperationState",
        &[CKR_ARGUMENTS_BAD, CKR_KEY_CHANGED, CKR_KEY_NEEDED, CKR_KEY_NOT_NEEDED, CKR_SAVED_STATE_INVALID],
        &[USUAL, BUSY],
    ),
    ("C_Login", &[], &[USUAL, BUSY, PIN, LOGIN]),
    ("C_LoginUser", &[], &[USUAL, BUSY, PIN, LOGIN]),
    ("C_Logout", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY]),
    ("C_GetSessionValidationFlags", &[CKR_ARGUMENTS_BAD], &[USUAL]),
    // 5.7
    ("C_CreateObject", &[CKR_DOMAIN_PARAMS_INVALID], &[USUAL, BUSY, CHANGE, TEMPLATE]),
    ("C_CopyObject", &[CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID], &[USUAL, BUSY, CHANGE]),
    (
        "C_DestroyObject",
        &[CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID, CKR_SESSION_READ_ONLY, CKR_TOKEN_WRITE_PROTECTED],
        &[USUAL, BUSY],
    ),
    ("C_GetObjectSize", &[CKR_ARGUMENTS_BAD, CKR_INFORMATION_SENSITIVE, CKR_OBJECT_HANDLE_INVALID], &[USUAL, BUSY]),
    (
        "C_GetAttributeValue",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_ATTRIBUTE_SENSITIVE,
            CKR_ATTRIBUTE_TYPE_INVALID,
            CKR_BUFFER_TOO_SMALL,
            CKR_OBJECT_HANDLE_INVALID,
        ],
        &[USUAL, BUSY],
    ),
    ("C_SetAttributeValue", &[CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID], &[USUAL, BUSY, CHANGE]),
    (
        "C_FindObjectsInit",
        &[CKR_ARGUMENTS_BAD, CKR_ATTRIBUTE_TYPE_INVALID, CKR_ATTRIBUTE_VALUE_INVALID],
        &[USUAL, BUSY],
    ),
    ("C_FindObjects", &[], &[USUAL, BUSY, RUN]),
    ("C_FindObjectsFinal", &[CKR_OPERATION_NOT_INITIALIZED], &[USUAL, BUSY]),
    // 5.8
    ("C_EncryptInit", &[], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_Encrypt", &[], &[USUAL, BUSY, RUN, OUTPUT, DATA]),
    ("C_EncryptUpdate", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, OUTPUT]),
    ("C_EncryptFinal", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, OUTPUT]),
    // 5.9
    ("C_MessageEncryptInit", &[], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_EncryptMessage", &[CKR_MECHANISM_PARAM_INVALID], &[USUAL, BUSY, RUN, OUTPUT, DATA]),
    (
        "C_EncryptMessageBegin",
        &[CKR_MECHANISM_PARAM_INVALID, CKR_OPERATION_NOT_INITIALIZED, CKR_USER_NOT_LOGGED_IN],
        &[USUAL, BUSY],
    ),
    ("C_EncryptMessageNext", &[CKR_MECHANISM_PARAM_INVALID, CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, OUTPUT]),
    ("C_MessageEncryptFinal", &[], &[USUAL, BUSY, RUN]),
    // 5.10
    ("C_DecryptInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_Decrypt", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED]),
    ("C_DecryptUpdate", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED]),
    ("C_DecryptFinal", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED]),
    // 5.11
    ("C_MessageDecryptInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    (
        "C_DecryptMessage",
        &[CKR_AEAD_DECRYPT_FAILED, CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN],
        &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED],
    ),
    ("C_DecryptMessageBegin", &[CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN]),
    (
        "C_DecryptMessageNext",
        &[CKR_AEAD_DECRYPT_FAILED, CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN],
        &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED],
    ),
    ("C_MessageDecryptFinal", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN]),
    // 5.12
    ("C_DigestInit", &[CKR_ARGUMENTS_BAD, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, MECHANISM]),
    ("C_Digest", &[], &[USUAL, BUSY, RUN, OUTPUT]),
    ("C_DigestUpdate", &[], &[USUAL, BUSY, RUN]),
    (
        "C_DigestKey",
        &[CKR_KEY_HANDLE_INVALID, CKR_KEY_INDIGESTIBLE, CKR_KEY_SIZE_RANGE, CKR_OPERATION_NOT_INITIALIZED],
        &[USUAL, BUSY],
    ),
    ("C_DigestFinal", &[], &[USUAL, BUSY, RUN, OUTPUT]),
    // 5.13
    ("C_SignInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_Sign", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT, DATA]),
    ("C_SignUpdate", &[CKR_DATA_LEN_RANGE, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN]),
    ("C_SignFinal", &[CKR_DATA_LEN_RANGE, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT]),
    ("C_SignRecoverInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_SignRecover", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT, DATA]),
    // 5.14
    ("C_MessageSignInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_SignMessage", &[CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT, DATA]),
    ("C_SignMessageBegin", &[CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN]),
    (
        "C_SignMessageNext",
        &[CKR_DATA_LEN_RANGE, CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN],
        &[USUAL, BUSY, RUN, OUTPUT],
    ),
    ("C_MessageSignFinal", &[CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN]),
    // 5.15
    ("C_VerifyInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_Verify", &[], &[USUAL, BUSY, RUN, DATA, SIGNATURE]),
    ("C_VerifyUpdate", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN]),
    ("C_VerifyFinal", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, SIGNATURE]),
    ("C_VerifyRecoverInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_VerifyRecover", &[], &[USUAL, BUSY, RUN, OUTPUT, DATA, SIGNATURE]),
    ("C_VerifySignatureInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_VerifySignature", &[], &[USUAL, RUN, DATA, SIGNATURE]),
    ("C_VerifySignatureUpdate", &[CKR_DATA_LEN_RANGE], &[USUAL, RUN]),
    ("C_VerifySignatureFinal", &[CKR_DATA_LEN_RANGE], &[USUAL, RUN, SIGNATURE]),
    // 5.16
    ("C_MessageVerifyInit", &[CKR_ARGUMENTS_BAD], &[USUAL, BUSY, INIT, MECHANISM, KEY]),
    ("C_VerifyMessage", &[CKR_MECHANISM_PARAM_INVALID], &[USUAL, BUSY, RUN, DATA, SIGNATURE]),
    ("C_VerifyMessageBegin", &[CKR_MECHANISM_PARAM_INVALID, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN]),
    ("C_VerifyMessageNext", &[CKR_MECHANISM_PARAM_INVALID, CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, SIGNATURE]),
    ("C_MessageVerifyFinal", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN]),
    // 5.17
    ("C_DigestEncryptUpdate", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, OUTPUT]),
    ("C_DecryptDigestUpdate", &[], &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED]),
    ("C_SignEncryptUpdate", &[CKR_DATA_LEN_RANGE, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY, RUN, OUTPUT]),
    ("C_DecryptVerifyUpdate", &[CKR_DATA_LEN_RANGE], &[USUAL, BUSY, RUN, OUTPUT, ENCRYPTED]),
    // 5.18
    ("C_GenerateKey", &[], &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE]),
    ("C_GenerateKeyPair", &[CKR_DOMAIN_PARAMS_INVALID], &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE]),
    ("C_WrapKey", &[], &[USUAL, BUSY, MECHANISM, OUTPUT, WRAPPING]),
    ("C_UnwrapKey", &[], &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE, UNWRAPPING]),
    ("C_DeriveKey", &[CKR_DOMAIN_PARAMS_INVALID], &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE, KEY]),
    ("C_WrapKeyAuthenticated", &[], &[USUAL, BUSY, MECHANISM, OUTPUT, WRAPPING]),
    ("C_UnwrapKeyAuthenticated", &[], &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE, UNWRAPPING]),
    (
        "C_EncapsulateKey",
        // The text asks for CKR_BUFFER_TOO_SMALL, the list forgets it.
        &[CKR_DOMAIN_PARAMS_INVALID, CKR_BUFFER_TOO_SMALL],
        &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE, KEY],
    ),
    ("C_DecapsulateKey", &[], &[USUAL, BUSY, MECHANISM, CHANGE, TEMPLATE, UNWRAPPING]),
    // 5.19
    (
        "C_SeedRandom",
        &[CKR_ARGUMENTS_BAD, CKR_RANDOM_SEED_NOT_SUPPORTED, CKR_RANDOM_NO_RNG, CKR_USER_NOT_LOGGED_IN],
        &[USUAL, BUSY],
    ),
    ("C_GenerateRandom", &[CKR_ARGUMENTS_BAD, CKR_RANDOM_NO_RNG, CKR_USER_NOT_LOGGED_IN], &[USUAL, BUSY]),
    // 5.20
    ("C_GetFunctionStatus", &[CKR_FUNCTION_NOT_PARALLEL], &[LIBRARY, SESSION]),
    ("C_CancelFunction", &[CKR_FUNCTION_NOT_PARALLEL], &[LIBRARY, SESSION]),
    // "Asynchronous function management functions"; C_AsyncComplete returns what the function that it names does.
    ("C_AsyncComplete", &[], &[USUAL]),
    ("C_AsyncGetID", &[CKR_ARGUMENTS_BAD, CKR_STATE_UNSAVEABLE, CKR_OPERATION_NOT_INITIALIZED], &[USUAL]),
    ("C_AsyncJoin", &[CKR_ARGUMENTS_BAD, CKR_SAVED_STATE_INVALID, CKR_BUFFER_TOO_SMALL], &[USUAL]),
];
