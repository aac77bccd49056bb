//! Pure Rust over memory of our own: these run under Miri, which checks every read and write (`cargo miri test -p
//! azihsm-pkcs11 memory`).

use cryptoki_sys::{
    CK_ECDH_AES_KEY_WRAP_PARAMS, CK_GCM_PARAMS, CK_HKDF_PARAMS, CK_MECHANISM, CK_MECHANISM_TYPE,
    CK_PKCS5_PBKD2_PARAMS2, CK_PRF_DATA_PARAM, CK_SP800_108_BYTE_ARRAY, CK_SP800_108_COUNTER,
    CK_SP800_108_COUNTER_FORMAT, CK_SP800_108_DKM_LENGTH, CK_SP800_108_DKM_LENGTH_FORMAT,
    CK_SP800_108_ITERATION_VARIABLE, CK_SP800_108_KDF_PARAMS, CK_SP800_108_KEY_HANDLE, CKA_ALLOWED_MECHANISMS, CKA_ID,
    CKA_LABEL, CKA_VALUE, CKA_WRAP_TEMPLATE, CKM_AES_CBC, CKM_AES_GCM, CKM_HKDF_DERIVE, CKM_RSA_PKCS_PSS, CKM_SHA256,
};
use mechanisms::ck::MechanismType;
use mechanisms::params::{Params, Password, PrfData, Shape};

use super::*;

/// Memory at an odd address.
#[repr(C, align(8))]
struct Odd {
    bytes: [u8; 256],
}

impl Odd {
    fn new() -> Self {
        Self { bytes: [0; 256] }
    }

    fn at(&mut self) -> *mut u8 {
        (&raw mut self.bytes).cast::<u8>().wrapping_add(1)
    }
}

fn attribute(kind: CK_ULONG, value: &mut [u8]) -> CK_ATTRIBUTE {
    CK_ATTRIBUTE { type_: kind, pValue: value.as_mut_ptr().cast(), ulValueLen: value.len() as CK_ULONG }
}

fn bytes(value: &[u8]) -> Reply {
    Reply::Bytes(Zeroizing::new(value.to_vec()))
}

#[test]
fn null_with_length_zero_is_empty() {
    // SAFETY: null is allowed.
    assert_eq!(unsafe { input(std::ptr::null(), 0) }.unwrap(), b"");
}

#[test]
fn null_with_a_length_is_refused() {
    // SAFETY: null is allowed.
    assert_eq!(unsafe { input(std::ptr::null(), 1) }.unwrap_err(), Code::ArgumentsBad);
}

#[test]
fn lengths_that_no_program_has_are_refused() {
    let byte = 0;
    for len in [CK_ULONG::MAX, CK_ULONG::MAX / 2, 1 << 62, (1 << 48) + 1] {
        // SAFETY: refused before anything is read.
        assert_eq!(unsafe { input(&raw const byte, len) }.unwrap_err(), Code::ArgumentsBad, "{len:#x}");
        // SAFETY: likewise.
        assert_eq!(unsafe { template(std::ptr::dangling(), len) }.unwrap_err(), Code::ArgumentsBad, "{len:#x}");
        // SAFETY: likewise.
        assert_eq!(unsafe { query(std::ptr::dangling_mut(), len) }.wanted().unwrap_err(), Code::ArgumentsBad);
    }
}

#[test]
fn a_size_query_writes_only_the_length() {
    let mut len = 99;
    // SAFETY: `len` outlives the value.
    let output = unsafe { output(std::ptr::null_mut(), &raw mut len) };
    assert_eq!(output.room().unwrap(), Room::Query);
    output.deliver(Ok(Reply::Length(32))).unwrap();
    assert_eq!(len, 32);
}

#[test]
fn too_small_sets_the_length_and_leaves_the_buffer() {
    let mut buffer = [7; 4];
    let mut len = 4;
    // SAFETY: both outlive the value.
    let output = unsafe { output(buffer.as_mut_ptr(), &raw mut len) };
    assert_eq!(output.room().unwrap(), Room::Bytes(4));
    assert_eq!(output.deliver(Ok(Reply::TooSmall(5))).unwrap_err(), Code::BufferTooSmall);
    assert_eq!((len, buffer), (5, [7; 4]));
}

#[test]
fn an_error_writes_nothing() {
    let mut buffer = [7; 4];
    let mut len = 4;
    // SAFETY: both outlive the value.
    let output = unsafe { output(buffer.as_mut_ptr(), &raw mut len) };
    assert_eq!(output.deliver(Err(Code::DeviceError.into())).unwrap_err(), Code::DeviceError);
    assert_eq!((len, buffer), (4, [7; 4]));
}

#[test]
fn a_result_longer_than_the_room_is_not_written() {
    let mut buffer = [7; 4];
    let mut len = 4;
    // SAFETY: both outlive the value.
    let output = unsafe { output(buffer.as_mut_ptr(), &raw mut len) };
    assert_eq!(output.deliver(Ok(bytes(b"12345"))).unwrap_err(), Code::GeneralError);
    assert_eq!((len, buffer), (4, [7; 4]));
}

#[test]
fn output_needs_a_length() {
    let mut buffer = [7; 4];
    // SAFETY: null is allowed.
    let output = unsafe { output(buffer.as_mut_ptr(), std::ptr::null_mut()) };
    assert_eq!(output.room().unwrap_err(), Code::ArgumentsBad);
    assert_eq!(output.deliver(Ok(bytes(b"1"))).unwrap_err(), Code::ArgumentsBad);
}

#[test]
fn input_and_output_may_be_the_same_memory() {
    let mut buffer = *b"attack at dawn..";
    let mut len = buffer.len() as CK_ULONG;
    let start = buffer.as_mut_ptr();
    // SAFETY: valid for 16 bytes; the input is not used after the result is delivered.
    let (data, output) = unsafe { (input(start, 16), output(start, &raw mut len)) };
    let result: Vec<u8> = data.unwrap().iter().rev().copied().collect();
    output.deliver(Ok(bytes(&result))).unwrap();
    assert_eq!(&buffer, b"..nwad ta kcatta");
}

#[test]
fn outputs_may_be_unaligned() {
    let (mut buffer, mut len, mut value) = (Odd::new(), Odd::new(), Odd::new());
    let length: *mut CK_ULONG = len.at().cast();
    // SAFETY: within `len`.
    unsafe { length.write_unaligned(3) };
    // SAFETY: within memory of our own, unaligned on purpose.
    unsafe { output(buffer.at(), length) }.deliver(Ok(bytes(b"ab"))).unwrap();
    // SAFETY: within `len`.
    assert_eq!(unsafe { length.read_unaligned() }, 2);
    assert_eq!(buffer.bytes[..4], *b"\0ab\0");
    let number: *mut CK_ULONG = value.at().cast();
    // SAFETY: within `value`, unaligned on purpose.
    unsafe { place(number) }.unwrap().put(0x0102_0304_0506_0708);
    // SAFETY: within `value`.
    assert_eq!(unsafe { number.read_unaligned() }, 0x0102_0304_0506_0708);
}

#[test]
fn a_place_is_refused_before_anything_is_done() {
    // SAFETY: null is allowed.
    assert_eq!(unsafe { place::<CK_ULONG>(std::ptr::null_mut()) }.unwrap_err(), Code::ArgumentsBad);
}

#[test]
fn lists_are_asked_for_twice() {
    let mut count = 77;
    // SAFETY: `count` outlives the value.
    unsafe { array::<CK_ULONG>(std::ptr::null_mut(), &raw mut count) }.unwrap().deliver([5, 6, 7].into_iter()).unwrap();
    assert_eq!(count, 3);
    let mut list = [0; 3];
    count = 2;
    // SAFETY: both outlive the value.
    let small = unsafe { array(list.as_mut_ptr(), &raw mut count) }.unwrap();
    assert_eq!(small.deliver([5, 6, 7].into_iter()).unwrap_err(), Code::BufferTooSmall);
    assert_eq!((count, list), (3, [0; 3]));
    // SAFETY: both outlive the value.
    unsafe { array(list.as_mut_ptr(), &raw mut count) }.unwrap().deliver([5, 6, 7].into_iter()).unwrap();
    assert_eq!((count, list), (3, [5, 6, 7]));
}

#[test]
fn a_batch_takes_no_more_than_its_room() {
    let (mut list, mut count) = ([0; 2], 0);
    // SAFETY: both outlive the value.
    unsafe { batch(list.as_mut_ptr(), 2, &raw mut count) }.unwrap().deliver([9].into_iter()).unwrap();
    assert_eq!((count, list), (1, [9, 0]));
    // SAFETY: both outlive the value.
    let batch_of_one = unsafe { batch(list.as_mut_ptr(), 1, &raw mut count) }.unwrap();
    assert_eq!(batch_of_one.deliver([1, 2].into_iter()).unwrap_err(), Code::GeneralError);
    // SAFETY: null is allowed.
    assert!(unsafe { batch::<CK_ULONG>(std::ptr::null_mut(), 1, &raw mut count) }.is_err());
    // SAFETY: null is allowed where there is room for none.
    assert_eq!(unsafe { batch::<CK_ULONG>(std::ptr::null_mut(), 0, &raw mut count) }.unwrap().max(), 0);
}

#[test]
fn a_buffer_is_filled_in_pieces() {
    let mut buffer = [0; 5];
    // SAFETY: `buffer` outlives the value.
    let mut fill_five = unsafe { fill(buffer.as_mut_ptr(), 5) }.unwrap();
    fill_five.push(b"abc").unwrap();
    assert_eq!(fill_five.left(), 2);
    assert_eq!(fill_five.push(b"def").unwrap_err(), Code::GeneralError);
    fill_five.push(b"de").unwrap();
    assert_eq!(&buffer, b"abcde");
    // SAFETY: null is allowed for no bytes.
    unsafe { fill(std::ptr::null_mut(), 0) }.unwrap().push(b"").unwrap();
}

#[test]
fn templates_are_copied() {
    let (mut label, mut id) = (*b"key", [1, 2]);
    let mut attributes = [attribute(CKA_LABEL, &mut label), attribute(CKA_ID, &mut id), attribute(CKA_VALUE, &mut [])];
    attributes[2].pValue = std::ptr::null_mut();
    // SAFETY: memory of our own.
    let template = unsafe { template(attributes.as_ptr(), 3) }.unwrap();
    let bytes = |value: &[u8]| AttributeValue::Bytes(Zeroizing::new(value.to_vec()));
    let values: Vec<_> = template.iter().map(|attribute| attribute.value.clone()).collect();
    assert!(values == [bytes(b"key"), bytes(&[1, 2]), bytes(b"")]);
    assert_eq!(template[1].kind, AttributeType(CKA_ID));
}

#[test]
fn templates_may_be_unaligned() {
    let (mut memory, mut label) = (Odd::new(), *b"odd");
    let place: *mut CK_ATTRIBUTE = memory.at().cast();
    // SAFETY: within `memory`.
    unsafe { place.write_unaligned(attribute(CKA_LABEL, &mut label)) };
    // SAFETY: within `memory`, unaligned on purpose.
    let template = unsafe { template(place, 1) }.unwrap();
    assert!(template[0].value == AttributeValue::Bytes(Zeroizing::new(b"odd".to_vec())));
}

#[test]
fn nested_templates_are_copied_and_lists_of_mechanisms_are_bytes() {
    let mut label = *b"in";
    let mut inner = [attribute(CKA_LABEL, &mut label)];
    let mut mechanisms = [CKM_AES_CBC, CKM_AES_GCM];
    let attributes = [
        CK_ATTRIBUTE { type_: CKA_WRAP_TEMPLATE, pValue: inner.as_mut_ptr().cast(), ulValueLen: 24 },
        CK_ATTRIBUTE { type_: CKA_ALLOWED_MECHANISMS, pValue: mechanisms.as_mut_ptr().cast(), ulValueLen: 16 },
    ];
    // SAFETY: memory of our own.
    let template = unsafe { template(attributes.as_ptr(), 2) }.unwrap();
    let AttributeValue::Template(inner) = &template[0].value else { panic!("a template") };
    assert_eq!(inner[0].kind, AttributeType(CKA_LABEL));
    let AttributeValue::Bytes(list) = &template[1].value else { panic!("bytes") };
    assert_eq!(list.len(), 16);
}

#[test]
fn bad_templates_are_refused() {
    let mut value = [0; 24];
    let refused = |attribute: CK_ATTRIBUTE| {
        // SAFETY: memory of our own, or lengths that are refused before anything is read.
        unsafe { template(&raw const attribute, 1) }.unwrap_err().code()
    };
    let null = CK_ATTRIBUTE { type_: CKA_ID, pValue: std::ptr::null_mut(), ulValueLen: 4 };
    assert_eq!(refused(null), Code::ArgumentsBad);
    let ragged = CK_ATTRIBUTE { type_: CKA_WRAP_TEMPLATE, pValue: value.as_mut_ptr().cast(), ulValueLen: 23 };
    assert_eq!(refused(ragged), Code::AttributeValueInvalid);
    for len in [CK_UNAVAILABLE_INFORMATION, 1 << 40] {
        let absurd = CK_ATTRIBUTE { type_: CKA_ID, pValue: value.as_mut_ptr().cast(), ulValueLen: len };
        assert_eq!(refused(absurd), Code::AttributeValueInvalid);
    }
    // SAFETY: refused before anything is read.
    assert_eq!(unsafe { template(std::ptr::dangling(), 4097) }.unwrap_err(), Code::ArgumentsBad);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { template(std::ptr::null(), 1) }.unwrap_err(), Code::ArgumentsBad);
}

#[test]
fn a_template_that_contains_itself_is_refused() {
    let mut attribute = CK_ATTRIBUTE { type_: CKA_WRAP_TEMPLATE, pValue: std::ptr::null_mut(), ulValueLen: 24 };
    let place = &raw mut attribute;
    // SAFETY: memory of our own.
    unsafe { (*place).pValue = place.cast() };
    // SAFETY: memory of our own.
    assert_eq!(unsafe { template(place, 1) }.unwrap_err(), Code::AttributeValueInvalid);
}

#[test]
fn attribute_values_go_where_they_were_asked_for() {
    let (mut label, mut id) = ([0; 8], [0; 1]);
    let mut attributes = [
        attribute(CKA_LABEL, &mut label),
        attribute(CKA_ID, &mut id),
        CK_ATTRIBUTE { type_: CKA_VALUE, pValue: std::ptr::null_mut(), ulValueLen: 0 },
    ];
    // SAFETY: memory of our own, which outlives the value.
    let query = unsafe { query(attributes.as_mut_ptr(), 3) };
    assert_eq!(
        query.wanted().unwrap(),
        [
            (AttributeType(CKA_LABEL), AttributeRoom::Value(Room::Bytes(8))),
            (AttributeType(CKA_ID), AttributeRoom::Value(Room::Bytes(1))),
            (AttributeType(CKA_VALUE), AttributeRoom::Value(Room::Query))
        ]
    );
    let replies = vec![
        AttributeReply::Value(Zeroizing::new(b"key".to_vec())),
        AttributeReply::Unavailable,
        AttributeReply::Length(32),
    ];
    assert_eq!(query.deliver(Ok((replies, Some(Code::BufferTooSmall)))).unwrap_err(), Code::BufferTooSmall);
    assert_eq!(attributes.map(|attribute| attribute.ulValueLen), [3, CK_UNAVAILABLE_INFORMATION, 32]);
    assert_eq!(&label, b"key\0\0\0\0\0");
}

#[test]
fn names_are_compared_up_to_their_end() {
    let is = |name: &[u8]| {
        // SAFETY: every name here ends in a zero byte.
        unsafe { is_text(NonNull::from(name).cast(), "PKCS 11") }
    };
    assert!(is(b"PKCS 11\0"));
    for other in [&b"PKCS 1\0"[..], b"\0", b"PKCS 111\0", b"pkcs 11\0"] {
        assert!(!is(other));
    }
}

#[test]
fn pins_keep_null_and_empty_apart() {
    let mut digits = *b"1234";
    // SAFETY: null is allowed; the others are memory of our own, or refused before anything is read.
    unsafe {
        assert!(pin(std::ptr::null(), 0).unwrap().is_none());
        assert_eq!(pin(std::ptr::null(), 4).unwrap_err(), Code::ArgumentsBad);
        assert_eq!(**pin(digits.as_mut_ptr(), 4).unwrap().unwrap(), *b"1234");
        assert!(pin(digits.as_mut_ptr(), 0).unwrap().unwrap().is_empty());
        for absurd in [5000, CK_ULONG::MAX] {
            assert_eq!(pin(digits.as_mut_ptr(), absurd).unwrap().unwrap().len(), 4097, "too long, and not read");
        }
    }
}

fn parse<T>(kind: CK_MECHANISM_TYPE, shape: Shape, given: &T) -> Result<Params> {
    parse_len(kind, shape, std::ptr::from_ref(given).cast(), size_of::<T>() as CK_ULONG)
}

fn parse_len(kind: CK_MECHANISM_TYPE, shape: Shape, data: *const u8, len: CK_ULONG) -> Result<Params> {
    // SAFETY: null, or a structure of our own and its length.
    unsafe { params::parse(mechanisms::ck::MechanismType(kind), shape, data, len) }
}

#[test]
fn both_layouts_of_gcm_parameters_are_read() {
    let (mut iv, mut aad) = ([3; 12], *b"header");
    let with = CK_GCM_PARAMS {
        pIv: iv.as_mut_ptr(),
        ulIvLen: 12,
        ulIvBits: 0,
        pAAD: aad.as_mut_ptr(),
        ulAADLen: 6,
        ulTagBits: 128,
    };
    let without =
        params::GcmParams240 { pIv: iv.as_mut_ptr(), ulIvLen: 12, pAAD: aad.as_mut_ptr(), ulAADLen: 6, ulTagBits: 128 };
    let wanted = Params::Gcm { iv: vec![3; 12], aad: b"header".to_vec(), tag_bits: 128 };
    assert_eq!(parse(CKM_AES_GCM, Shape::Gcm, &with).unwrap(), wanted);
    assert_eq!(parse(CKM_AES_GCM, Shape::Gcm, &without).unwrap(), wanted);
}

#[test]
fn hkdf_parameters_are_read_where_they_lie_unaligned() {
    let (mut memory, mut info) = (Odd::new(), *b"info");
    let given = CK_HKDF_PARAMS {
        bExtract: 0,
        bExpand: 1,
        prfHashMechanism: CKM_SHA256,
        ulSaltType: 1,
        pSalt: std::ptr::null_mut(),
        ulSaltLen: 0,
        hSaltKey: 0,
        pInfo: info.as_mut_ptr(),
        ulInfoLen: 4,
    };
    let place: *mut CK_HKDF_PARAMS = memory.at().cast();
    // SAFETY: within `memory`.
    unsafe { place.write_unaligned(given) };
    let params = parse_len(CKM_HKDF_DERIVE, Shape::Hkdf, place.cast(), size_of::<CK_HKDF_PARAMS>() as CK_ULONG);
    let Params::Hkdf { extract, expand, info, salt, .. } = params.unwrap() else { panic!("HKDF") };
    assert_eq!((extract, expand, &info[..], &salt[..]), (false, true, &b"info"[..], &b""[..]));
}

#[test]
fn parameters_of_derivations_are_read() {
    let (mut text, size) = (*b"text", |bytes: usize| bytes as CK_ULONG);
    let (mut counter, mut length, mut handle) = (
        CK_SP800_108_COUNTER_FORMAT { bLittleEndian: 1, ulWidthInBits: 16 },
        CK_SP800_108_DKM_LENGTH_FORMAT { dkmLengthMethod: 2, bLittleEndian: 0, ulWidthInBits: 32 },
        77 as CK_ULONG,
    );
    let piece = |type_, value, len| CK_PRF_DATA_PARAM { type_, pValue: value, ulValueLen: size(len) };
    let mut pieces = [
        piece(CK_SP800_108_ITERATION_VARIABLE, (&raw mut counter).cast(), size_of_val(&counter)),
        piece(CK_SP800_108_DKM_LENGTH, (&raw mut length).cast(), size_of_val(&length)),
        piece(CK_SP800_108_BYTE_ARRAY, text.as_mut_ptr().cast(), 4),
        piece(CK_SP800_108_KEY_HANDLE, (&raw mut handle).cast(), 8),
    ];
    let mut kdf = CK_SP800_108_KDF_PARAMS {
        prfType: CKM_SHA256,
        ulNumberOfDataParams: 4,
        pDataParams: pieces.as_mut_ptr(),
        ulAdditionalDerivedKeys: 0,
        pAdditionalDerivedKeys: std::ptr::null_mut(),
    };
    let data = vec![
        PrfData::Counter { little_endian: true, bits: 16 },
        PrfData::Length { method: 2, little_endian: false, bits: 32 },
        PrfData::Bytes(b"text".to_vec()),
        PrfData::Key(77),
    ];
    let wanted = Params::Sp800108 { prf: MechanismType::SHA256, data, additional_keys: 0 };
    assert_eq!(parse(CKM_HKDF_DERIVE, Shape::Sp800108, &kdf).unwrap(), wanted);
    for count in [65, CK_ULONG::MAX] {
        kdf.ulNumberOfDataParams = count;
        assert_eq!(parse(CKM_HKDF_DERIVE, Shape::Sp800108, &kdf).unwrap_err(), Code::MechanismParamInvalid);
    }
    // The optional counter is of the other modes; a piece of the wrong size is none.
    kdf.ulNumberOfDataParams = 4;
    for (type_, len) in [(CK_SP800_108_COUNTER, size_of_val(&counter)), (CK_SP800_108_ITERATION_VARIABLE, 8)] {
        (pieces[0].type_, pieces[0].ulValueLen) = (type_, size(len));
        kdf.pDataParams = pieces.as_mut_ptr();
        assert_eq!(parse(CKM_HKDF_DERIVE, Shape::Sp800108, &kdf).unwrap_err(), Code::MechanismParamInvalid);
    }

    let mut pbkdf2 = CK_PKCS5_PBKD2_PARAMS2 {
        saltSource: 1,
        pSaltSourceData: text.as_mut_ptr().cast(),
        ulSaltSourceDataLen: 4,
        iterations: 9,
        prf: 4,
        pPrfData: std::ptr::null_mut(),
        ulPrfDataLen: 0,
        pPassword: text.as_mut_ptr(),
        ulPasswordLen: 2,
    };
    let password = Password(b"te".to_vec().into());
    let wanted = Params::Pbkdf2 { salt_source: 1, salt: b"text".to_vec(), iterations: 9, prf: 4, password };
    assert_eq!(parse(CKM_HKDF_DERIVE, Shape::Pbkdf2, &pbkdf2).unwrap(), wanted);
    pbkdf2.ulPrfDataLen = 1;
    assert_eq!(parse(CKM_HKDF_DERIVE, Shape::Pbkdf2, &pbkdf2).unwrap_err(), Code::MechanismParamInvalid);

    let ecdh =
        CK_ECDH_AES_KEY_WRAP_PARAMS { ulAESKeyBits: 256, kdf: 1, ulSharedDataLen: 4, pSharedData: text.as_mut_ptr() };
    let wanted = Params::EcdhAesWrap { aes_bits: 256, kdf: 1, shared: b"text".to_vec() };
    assert_eq!(parse(CKM_HKDF_DERIVE, Shape::EcdhAesWrap, &ecdh).unwrap(), wanted);
}

#[test]
fn truncated_missing_and_needless_parameters_are_refused() {
    let refused = |kind, shape, data: *const u8, len| parse_len(kind, shape, data, len).unwrap_err().code();
    let memory = [0_u64; 16];
    let data: *const u8 = memory.as_ptr().cast();
    for (kind, shape, len) in [
        (CKM_AES_CBC, Shape::Iv16, 16),
        (CKM_AES_GCM, Shape::Gcm, 48),
        (CKM_RSA_PKCS_PSS, Shape::Pss, 24),
        (CKM_RSA_PKCS_PSS, Shape::Oaep, 40),
        (CKM_RSA_PKCS_PSS, Shape::Ecdh1, 40),
        (CKM_HKDF_DERIVE, Shape::Hkdf, 64),
        (CKM_HKDF_DERIVE, Shape::EcdhAesWrap, 32),
        (CKM_HKDF_DERIVE, Shape::Sp800108, 40),
        (CKM_HKDF_DERIVE, Shape::Pbkdf2, 72),
        (CKM_HKDF_DERIVE, Shape::StringData, 16),
        (CKM_HKDF_DERIVE, Shape::Number, 8),
    ] {
        assert!(parse_len(kind, shape, data, len).is_ok(), "{shape:?}");
        for wrong in [0, 1, len - 1, len + 1, CK_ULONG::MAX] {
            assert_eq!(refused(kind, shape, data, wrong), Code::MechanismParamInvalid, "{shape:?} {wrong}");
        }
        for len in [0, len] {
            assert_eq!(refused(kind, shape, std::ptr::null(), len), Code::MechanismParamInvalid, "{shape:?}");
        }
    }
    assert_eq!(refused(CKM_SHA256, Shape::None, data, 8), Code::MechanismParamInvalid);
    assert_eq!(parse_len(CKM_SHA256, Shape::None, data, 0).unwrap(), Params::None);
    assert_eq!(parse_len(CKM_SHA256, Shape::None, std::ptr::null(), 0).unwrap(), Params::None);
}

#[test]
fn bad_pointers_and_lengths_in_a_parameter_are_refused() {
    let mut iv = [0; 12];
    let given = CK_GCM_PARAMS {
        pIv: iv.as_mut_ptr(),
        ulIvLen: 12,
        ulIvBits: 96,
        pAAD: std::ptr::null_mut(),
        ulAADLen: 0,
        ulTagBits: 128,
    };
    assert!(parse(CKM_AES_GCM, Shape::Gcm, &given).is_ok());
    let null_aad = CK_GCM_PARAMS { ulAADLen: 5, ..given };
    assert_eq!(parse(CKM_AES_GCM, Shape::Gcm, &null_aad).unwrap_err(), Code::MechanismParamInvalid);
    let absurd_iv = CK_GCM_PARAMS { ulIvLen: CK_ULONG::MAX, ..given };
    assert_eq!(parse(CKM_AES_GCM, Shape::Gcm, &absurd_iv).unwrap_err(), Code::MechanismParamInvalid);
}

#[test]
fn no_mechanism_is_an_error_or_a_cancel() {
    // SAFETY: null is allowed.
    assert_eq!(unsafe { mechanism(std::ptr::null()) }.unwrap_err(), Code::ArgumentsBad);
    // SAFETY: null is allowed.
    assert_eq!(unsafe { mechanism_or_null(std::ptr::null()) }.unwrap(), None);
    let unknown = CK_MECHANISM { mechanism: CK_ULONG::MAX, pParameter: std::ptr::null_mut(), ulParameterLen: 0 };
    // SAFETY: memory of our own.
    assert_eq!(unsafe { mechanism(&raw const unknown) }.unwrap_err(), Code::MechanismInvalid);
}

#[test]
fn results_are_wiped_up_to_their_capacity() {
    for len in [0, 1, 7, 8, 9, 31, 1000] {
        let mut result = Vec::with_capacity(len + 13);
        result.resize(len + 13, 0xff);
        result.truncate(len);
        wipe(&mut result);
        // SAFETY: all of the capacity was written, first by `resize`, then by `wipe`.
        unsafe { result.set_len(len + 13) };
        assert!(result.iter().all(|byte| *byte == 0), "{len}");
    }
}
