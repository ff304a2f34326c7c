// From a stream of bytes to whole messages: Cap'n Proto's standard stream framing, read so that a hostile length costs
// nothing. First the segment table, then its bounds, then one allocation that the rest of the message lands in and
// that its tensors alias for as long as anyone holds them.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "eddy/messages.hpp"
#include "eddy/result.hpp"

namespace eddy::transport {

/// A built message has its own few segments and one per tensor.
inline constexpr uint32_t segments_max = 16 + std::max(frontier_tensors_max, msg::rows_tensors_max);

/// Memory that all connections of a network may hold for messages half received.
struct ReceiveBudget {
    uint64_t bytes_max = 0;
    uint64_t used_bytes = 0;
};

/// A whole message, not yet looked into. Segments point into `body`, each on a multiple of 8.
struct RawMessage {
    std::shared_ptr<std::byte> body;
    std::vector<std::span<const std::byte>> segments;
    uint64_t bytes = 0;  ///< on the wire: segment table included
};

/// Not thread-safe; the budget must outlive it.
class Assembler {
public:
    Assembler(uint64_t message_bytes_max, ReceiveBudget& budget) : bytes_max_(message_bytes_max), budget_(budget) {}
    ~Assembler() { release(); }
    Assembler(const Assembler&) = delete;
    Assembler& operator=(const Assembler&) = delete;

    /// Between messages only.
    void set_message_bytes_max(uint64_t bytes) { bytes_max_ = bytes; }

    /// Where the next bytes belong. Never empty, and never beyond the end of the current message.
    [[nodiscard]] std::span<std::byte> space();

    /// `count` bytes were put there. True: a message is complete, take() it before asking for space again.
    Result<bool> arrived(size_t count);
    RawMessage take();

    /// Nothing of a next message has arrived.
    [[nodiscard]] bool between_messages() const { return filled_ == 0 && !body_; }

private:
    Result<bool> begin_body();
    void release();

    uint64_t bytes_max_;
    ReceiveBudget& budget_;
    static constexpr size_t table_bytes_max = (4 * (segments_max + 1) + 7) / 8 * 8;
    alignas(8) std::array<std::byte, table_bytes_max> table_{};
    size_t table_bytes_ = 8;  ///< the first word says how much more there is
    std::shared_ptr<std::byte> body_;
    uint64_t body_bytes_ = 0;
    uint64_t filled_ = 0;  ///< of the table, then of the body
};

}  // namespace eddy::transport
