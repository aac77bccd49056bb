//! Which return values the standard lists for which function (PKCS#11 v3.2, 5.4 to 5.20), as far as the tests here go.

use cryptoki_sys::*;

/// Whether the standard lists a return value for a function.
pub(crate) fn is_listed(function: &str, rv: CK_RV) -> bool {
    let (_, own, groups) = LISTED.iter().find(|(name, ..)| *name == function).expect("a function of the table");
    ALWAYS.contains(&rv) || own.contains(&rv) || groups.iter().any(|group| group.contains(&rv))
}

/// Any function (5.1.1), and a function that the library has not (5.1.6).
const ALWAYS: &[CK_RV] = &[CKR_OK, CKR_GENERAL_ERROR, CKR_HOST_MEMORY, CKR_FUNCTION_FAILED, CKR_FUNCTION_NOT_SUPPORTED];
const LIBRARY: &[CK_RV] = &[CKR_CRYPTOKI_NOT_INITIALIZED];
const DEVICE: &[CK_RV] = &[CKR_DEVICE_ERROR, CKR_DEVICE_MEMORY, CKR_DEVICE_REMOVED, CKR_FUNCTION_CANCELED];
const SLOT: &[CK_RV] = &[CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED, CKR_ARGUMENTS_BAD];
const SESSION: &[CK_RV] = &[CKR_SESSION_CLOSED, CKR_SESSION_HANDLE_INVALID];
/// Starting an operation.
const INIT: &[CK_RV] = &[CKR_OPERATION_ACTIVE, CKR_OPERATION_CANCEL_FAILED, CKR_PIN_EXPIRED, CKR_USER_NOT_LOGGED_IN];
/// The mechanism of an operation or a new key.
const MECHANISM: &[CK_RV] = &[CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID];
/// The key of an operation.
const KEY: &[CK_RV] =
    &[CKR_KEY_FUNCTION_NOT_PERMITTED, CKR_KEY_HANDLE_INVALID, CKR_KEY_SIZE_RANGE, CKR_KEY_TYPE_INCONSISTENT];
/// An operation that runs, and its output.
const RUN: &[CK_RV] = &[CKR_ARGUMENTS_BAD, CKR_OPERATION_NOT_INITIALIZED];
const OUTPUT: &[CK_RV] = &[CKR_BUFFER_TOO_SMALL];
const DATA: &[CK_RV] = &[CKR_DATA_INVALID, CKR_DATA_LEN_RANGE];
const ENCRYPTED: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_USER_NOT_LOGGED_IN];
/// The template of a new or changed object.
const TEMPLATE: &[CK_RV] = &[
    CKR_ARGUMENTS_BAD,
    CKR_ATTRIBUTE_READ_ONLY,
    CKR_ATTRIBUTE_TYPE_INVALID,
    CKR_ATTRIBUTE_VALUE_INVALID,
    CKR_CURVE_NOT_SUPPORTED,
    CKR_PIN_EXPIRED,
    CKR_SESSION_READ_ONLY,
    CKR_TEMPLATE_INCOMPLETE,
    CKR_TEMPLATE_INCONSISTENT,
    CKR_TOKEN_WRITE_PROTECTED,
    CKR_USER_NOT_LOGGED_IN,
];

type Row = (&'static str, &'static [CK_RV], &'static [&'static [CK_RV]]);

const LISTED: &[Row] = &[
    (
        "C_Initialize",
        &[CKR_ARGUMENTS_BAD, CKR_CANT_LOCK, CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_NEED_TO_CREATE_THREADS],
        &[],
    ),
    ("C_Finalize", &[CKR_ARGUMENTS_BAD], &[LIBRARY]),
    ("C_GetInfo", &[CKR_ARGUMENTS_BAD], &[LIBRARY]),
    ("C_GetFunctionList", &[CKR_ARGUMENTS_BAD], &[]),
    ("C_GetInterfaceList", &[CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL], &[]),
    ("C_GetInterface", &[CKR_ARGUMENTS_BAD], &[]),
    ("C_GetSlotList", &[CKR_ARGUMENTS_BAD, CKR_BUFFER_TOO_SMALL], &[LIBRARY]),
    ("C_GetSlotInfo", &[CKR_ARGUMENTS_BAD, CKR_SLOT_ID_INVALID], &[LIBRARY, DEVICE]),
    ("C_GetTokenInfo", &[], &[LIBRARY, DEVICE, SLOT]),
    ("C_WaitForSlotEvent", &[CKR_ARGUMENTS_BAD, CKR_NO_EVENT], &[LIBRARY]),
    ("C_GetMechanismList", &[CKR_BUFFER_TOO_SMALL], &[LIBRARY, DEVICE, SLOT]),
    ("C_GetMechanismInfo", &[CKR_MECHANISM_INVALID], &[LIBRARY, DEVICE, SLOT]),
    (
        "C_InitToken",
        &[CKR_PIN_INCORRECT, CKR_PIN_LOCKED, CKR_SESSION_EXISTS, CKR_TOKEN_WRITE_PROTECTED],
        &[LIBRARY, DEVICE, SLOT],
    ),
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
        &[LIBRARY, DEVICE, SESSION],
    ),
    (
        "C_SetPIN",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_PIN_INCORRECT,
            CKR_PIN_INVALID,
            CKR_PIN_LEN_RANGE,
            CKR_PIN_LOCKED,
            CKR_SESSION_READ_ONLY,
            CKR_TOKEN_WRITE_PROTECTED,
        ],
        &[LIBRARY, DEVICE, SESSION],
    ),
    (
        "C_OpenSession",
        &[
            CKR_SESSION_COUNT,
            CKR_SESSION_PARALLEL_NOT_SUPPORTED,
            CKR_SESSION_READ_WRITE_SO_EXISTS,
            CKR_TOKEN_WRITE_PROTECTED,
        ],
        &[LIBRARY, DEVICE, SLOT],
    ),
    ("C_CloseSession", &[], &[LIBRARY, DEVICE, SESSION]),
    ("C_CloseAllSessions", &[CKR_SLOT_ID_INVALID, CKR_TOKEN_NOT_PRESENT], &[LIBRARY, DEVICE]),
    ("C_GetSessionInfo", &[CKR_ARGUMENTS_BAD], &[LIBRARY, DEVICE, SESSION]),
    ("C_GetOperationState", &[], &[LIBRARY, DEVICE, SESSION]),
    (
        "C_Login",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_OPERATION_NOT_INITIALIZED,
            CKR_PIN_INCORRECT,
            CKR_PIN_LOCKED,
            CKR_SESSION_READ_ONLY_EXISTS,
            CKR_USER_ALREADY_LOGGED_IN,
            CKR_USER_ANOTHER_ALREADY_LOGGED_IN,
            CKR_USER_PIN_NOT_INITIALIZED,
            CKR_USER_TOO_MANY_TYPES,
            CKR_USER_TYPE_INVALID,
        ],
        &[LIBRARY, DEVICE, SESSION],
    ),
    ("C_Logout", &[CKR_USER_NOT_LOGGED_IN], &[LIBRARY, DEVICE, SESSION]),
    ("C_CreateObject", &[CKR_DOMAIN_PARAMS_INVALID], &[LIBRARY, DEVICE, SESSION, TEMPLATE]),
    ("C_CopyObject", &[CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID], &[LIBRARY, DEVICE, SESSION, TEMPLATE]),
    (
        "C_DestroyObject",
        &[
            CKR_ACTION_PROHIBITED,
            CKR_OBJECT_HANDLE_INVALID,
            CKR_PIN_EXPIRED,
            CKR_SESSION_READ_ONLY,
            CKR_TOKEN_WRITE_PROTECTED,
        ],
        &[LIBRARY, DEVICE, SESSION],
    ),
    (
        "C_GetObjectSize",
        &[CKR_ARGUMENTS_BAD, CKR_INFORMATION_SENSITIVE, CKR_OBJECT_HANDLE_INVALID],
        &[LIBRARY, DEVICE, SESSION],
    ),
    (
        "C_GetAttributeValue",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_ATTRIBUTE_SENSITIVE,
            CKR_ATTRIBUTE_TYPE_INVALID,
            CKR_BUFFER_TOO_SMALL,
            CKR_OBJECT_HANDLE_INVALID,
        ],
        &[LIBRARY, DEVICE, SESSION],
    ),
    ("C_SetAttributeValue", &[CKR_ACTION_PROHIBITED, CKR_OBJECT_HANDLE_INVALID], &[LIBRARY, DEVICE, SESSION, TEMPLATE]),
    (
        "C_FindObjectsInit",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_ATTRIBUTE_TYPE_INVALID,
            CKR_ATTRIBUTE_VALUE_INVALID,
            CKR_OPERATION_ACTIVE,
            CKR_PIN_EXPIRED,
        ],
        &[LIBRARY, DEVICE, SESSION],
    ),
    ("C_FindObjects", &[], &[LIBRARY, DEVICE, SESSION, RUN]),
    ("C_FindObjectsFinal", &[CKR_OPERATION_NOT_INITIALIZED], &[LIBRARY, DEVICE, SESSION]),
    ("C_EncryptInit", &[], &[LIBRARY, DEVICE, SESSION, INIT, MECHANISM, KEY]),
    ("C_Encrypt", &[], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT, DATA]),
    ("C_EncryptUpdate", &[CKR_DATA_LEN_RANGE], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT]),
    ("C_EncryptFinal", &[CKR_DATA_LEN_RANGE], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT]),
    ("C_DecryptInit", &[CKR_ARGUMENTS_BAD], &[LIBRARY, DEVICE, SESSION, INIT, MECHANISM, KEY]),
    ("C_Decrypt", &[], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT, ENCRYPTED]),
    ("C_DecryptUpdate", &[], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT, ENCRYPTED]),
    ("C_DecryptFinal", &[], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT, ENCRYPTED]),
    ("C_DigestInit", &[CKR_ARGUMENTS_BAD], &[LIBRARY, DEVICE, SESSION, INIT, MECHANISM]),
    ("C_Digest", &[], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT]),
    ("C_DigestUpdate", &[], &[LIBRARY, DEVICE, SESSION, RUN]),
    ("C_DigestFinal", &[], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT]),
    ("C_SignInit", &[CKR_ARGUMENTS_BAD], &[LIBRARY, DEVICE, SESSION, INIT, MECHANISM, KEY]),
    ("C_Sign", &[CKR_USER_NOT_LOGGED_IN, CKR_FUNCTION_REJECTED], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT, DATA]),
    ("C_SignUpdate", &[CKR_DATA_LEN_RANGE, CKR_USER_NOT_LOGGED_IN], &[LIBRARY, DEVICE, SESSION, RUN]),
    ("C_SignFinal", &[CKR_DATA_LEN_RANGE, CKR_USER_NOT_LOGGED_IN], &[LIBRARY, DEVICE, SESSION, RUN, OUTPUT]),
    ("C_VerifyInit", &[CKR_ARGUMENTS_BAD], &[LIBRARY, DEVICE, SESSION, INIT, MECHANISM, KEY]),
    ("C_Verify", &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE], &[LIBRARY, DEVICE, SESSION, RUN, DATA]),
    ("C_VerifyUpdate", &[CKR_DATA_LEN_RANGE], &[LIBRARY, DEVICE, SESSION, RUN]),
    (
        "C_VerifyFinal",
        &[CKR_DATA_LEN_RANGE, CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE],
        &[LIBRARY, DEVICE, SESSION, RUN],
    ),
    ("C_GenerateKey", &[CKR_OPERATION_ACTIVE], &[LIBRARY, DEVICE, SESSION, MECHANISM, TEMPLATE]),
    (
        "C_GenerateKeyPair",
        &[CKR_DOMAIN_PARAMS_INVALID, CKR_OPERATION_ACTIVE],
        &[LIBRARY, DEVICE, SESSION, MECHANISM, TEMPLATE],
    ),
    ("C_WrapKey", &[], &[LIBRARY, DEVICE, SESSION]),
    (
        "C_DeriveKey",
        &[CKR_DOMAIN_PARAMS_INVALID, CKR_OPERATION_ACTIVE],
        &[LIBRARY, DEVICE, SESSION, MECHANISM, TEMPLATE, KEY],
    ),
    (
        "C_SeedRandom",
        &[
            CKR_ARGUMENTS_BAD,
            CKR_OPERATION_ACTIVE,
            CKR_RANDOM_SEED_NOT_SUPPORTED,
            CKR_RANDOM_NO_RNG,
            CKR_USER_NOT_LOGGED_IN,
        ],
        &[LIBRARY, DEVICE, SESSION],
    ),
    (
        "C_GenerateRandom",
        &[CKR_ARGUMENTS_BAD, CKR_OPERATION_ACTIVE, CKR_RANDOM_NO_RNG, CKR_USER_NOT_LOGGED_IN],
        &[LIBRARY, DEVICE, SESSION],
    ),
    ("C_GetFunctionStatus", &[CKR_FUNCTION_NOT_PARALLEL], &[LIBRARY, SESSION]),
    ("C_CancelFunction", &[CKR_FUNCTION_NOT_PARALLEL], &[LIBRARY, SESSION]),
];
