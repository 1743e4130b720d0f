// SPDX-License-Identifier: GPL-3.0-or-later
//! Whatever holds a key overwrites it when it is dropped. Where that is forgotten of a type, this
//! does not compile.

use ed25519_dalek::SigningKey;
use zeroize::ZeroizeOnDrop;

use crate::access::{Code, DocumentKeys, DocumentSecret};
use crate::identity::AuthorKey;
use crate::replication::{GrantSecret, Ticket};

const fn is_overwritten<T: ZeroizeOnDrop>() {}

const _: () = {
    is_overwritten::<SigningKey>();
    is_overwritten::<AuthorKey>();
    is_overwritten::<DocumentSecret>();
    is_overwritten::<DocumentKeys>();
    is_overwritten::<Code>();
    is_overwritten::<GrantSecret>();
    is_overwritten::<Ticket>();
    is_overwritten::<iroh::SecretKey>();
};
