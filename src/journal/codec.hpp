// Entries as bytes. A journal is a header and then records, little-endian:
//
//   "EDDYJNL1"   ( u16 payload bytes | u8 type | payload | u32 CRC-32C of all that )*
//
// A record is whole or it is not there: with the first one that is not as it should be, the journal ends. Pure.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "eddy/journal.hpp"

namespace eddy::journal {

/// The version is its last letter.
inline constexpr std::string_view file_header = "EDDYJNL1";
inline constexpr size_t record_bytes_min = 2 + 1 + 8 + 4;

/// Appends the entry's record. A name beyond name_bytes_max is cut.
void encode(const Entry& entry, std::string& into);

struct Read {
    size_t good_bytes = 0;  ///< header and whole records; what follows is to be cut off
    uint64_t records = 0;
    std::string problem;  ///< why it ends before the end; empty: it does not
};
/// Tells every entry up to the first bad record, in order.
Read read(std::string_view bytes, const std::function<void(const Entry&)>& tell);

}  // namespace eddy::journal
