// CRC-32C (Castagnoli, as in iSCSI and ext4): finds every error of up to 32 bits in a row. A table of its own, because
// the libraries that are here anyway do not offer it, and twenty lines are less than another dependency. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace eddy::journal {

namespace detail {
constexpr std::array<uint32_t, 256> crc32c_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
        table[byte] = crc;
    }
    return table;
}
inline constexpr auto crc32c_bytes = crc32c_table();
}  // namespace detail

constexpr uint32_t crc32c(std::string_view bytes) {
    uint32_t crc = 0xffffffffU;
    for (const char byte : bytes) crc = (crc >> 8) ^ detail::crc32c_bytes[(crc ^ static_cast<uint8_t>(byte)) & 0xff];
    return ~crc;
}

}  // namespace eddy::journal
