#include "src/journal/codec.hpp"

#include <optional>

#include "eddy/messages.hpp"
#include "src/journal/crc32c.hpp"

namespace eddy::journal {

namespace {

constexpr size_t head_bytes = 3;
constexpr size_t crc_bytes = 4;
/// Far more than any entry takes, far less than what would hurt.
constexpr size_t payload_bytes_max = 512;

class Writer {
public:
    explicit Writer(std::string& into) : into_(into) {}
    template <class... Numbers>
    void u64(Numbers... numbers) {
        (put(numbers, 8), ...);
    }
    void put(uint64_t number, size_t bytes) {
        for (size_t i = 0; i < bytes; ++i) into_ += static_cast<char>(number >> (8 * i) & 0xff);
    }
    void stream(StreamId stream) { put(stream.value, 2); }
    void text(std::string_view text) { into_ += text; }

    void operator()(const Counts& e) {
        stream(e.stream);
        u64(e.below, e.settled.captured, e.settled.admitted, e.settled.completed, e.settled.failed, e.settled.dropped);
        text(std::string_view(e.name).substr(0, name_bytes_max));
    }
    void operator()(const Life& e) { u64(e.incarnation.value); }
    void operator()(const Reserved& e) { stream(e.stream), u64(e.below); }
    void operator()(const Captured& e) { stream(e.stream), u64(e.k); }
    void operator()(const Missed& e) { stream(e.stream), u64(e.frames); }
    void operator()(const Admitted& e) { stream(e.stream), u64(e.k); }
    void operator()(const Settled& e) { stream(e.stream), u64(e.k), put(static_cast<uint8_t>(e.state), 1); }

private:
    std::string& into_;
};

uint64_t number_at(std::string_view bytes, size_t count) {
    uint64_t number = 0;
    for (size_t i = 0; i < count; ++i) number |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
    return number;
}

/// Reads a payload whose length has been checked by left() or will be by done().
class Payload {
public:
    explicit Payload(std::string_view bytes) : bytes_(bytes) {}
    uint64_t take(size_t count) {
        if (bytes_.size() < count) {
            good_ = false;
            return 0;
        }
        const uint64_t number = number_at(bytes_, count);
        bytes_.remove_prefix(count);
        return number;
    }
    /// A frame's number, or a count of frames.
    uint64_t number() {
        const uint64_t number = take(8);
        good_ &= number <= numbers_max;
        return number;
    }
    StreamId stream() { return StreamId{static_cast<uint16_t>(take(2))}; }
    std::string name() {
        good_ &= !bytes_.empty() && bytes_.size() <= name_bytes_max;
        return std::string(std::exchange(bytes_, {}));
    }
    FrameState state() {
        const uint64_t state = take(1);
        good_ &= state <= static_cast<uint64_t>(FrameState::dropped);
        return static_cast<FrameState>(good_ ? state : 0);
    }
    [[nodiscard]] std::optional<Entry> done(Entry entry) const {
        if (!good_ || !bytes_.empty()) return std::nullopt;
        return entry;
    }

private:
    std::string_view bytes_;
    bool good_ = true;
};

/// The type of a record is the index of its entry in the variant.
template <class E>
constexpr uint8_t type_of() {
    return static_cast<uint8_t>(Entry(E{}).index());
}

std::optional<Entry> decode(uint8_t type, Payload payload) {
    if (type == type_of<Life>()) return payload.done(Life{Incarnation{payload.take(8)}});
    if (type >= std::variant_size_v<Entry>) return std::nullopt;
    const StreamId stream = payload.stream();
    const uint64_t number = payload.number();
    if (type == type_of<Reserved>()) return payload.done(Reserved{stream, number});
    if (type == type_of<Captured>()) return payload.done(Captured{stream, number});
    if (type == type_of<Missed>()) return payload.done(Missed{stream, number});
    if (type == type_of<Admitted>()) return payload.done(Admitted{stream, number});
    if (type == type_of<Settled>()) {
        const FrameState state = payload.state();
        return payload.done(Settled{stream, number, state});
    }
    Counts counts{stream, {}, number, {}};
    Totals& sums = counts.settled;
    for (uint64_t* sum : {&sums.captured, &sums.admitted, &sums.completed, &sums.failed, &sums.dropped})
        *sum = payload.number();
    counts.name = payload.name();
    return payload.done(std::move(counts));
}

}  // namespace

void encode(const Entry& entry, std::string& into) {
    const size_t start = into.size();
    Writer writer(into);
    writer.put(0, 2);
    writer.put(entry.index(), 1);
    std::visit(writer, entry);
    const size_t payload = into.size() - start - head_bytes;
    into[start] = static_cast<char>(payload & 0xff);
    into[start + 1] = static_cast<char>(payload >> 8);
    writer.put(crc32c(std::string_view(into).substr(start)), crc_bytes);
}

Read read(std::string_view bytes, const std::function<void(const Entry&)>& tell) {
    Read result;
    if (bytes.substr(0, file_header.size()) != file_header) {
        result.problem = "it does not begin as a journal of this version";
        return result;
    }
    for (size_t at = file_header.size();;) {
        result.good_bytes = at;
        const std::string_view rest = bytes.substr(at);
        if (rest.empty()) return result;
        const size_t payload = rest.size() < head_bytes ? 0 : number_at(rest, 2);
        const size_t record = head_bytes + payload + crc_bytes;
        const bool bounded = payload <= payload_bytes_max;
        if (rest.size() < head_bytes || (bounded && rest.size() < record)) {
            result.problem = "its last record is torn";
            return result;
        }
        const std::string_view checked = rest.substr(0, head_bytes + payload);
        if (!bounded || crc32c(checked) != number_at(rest.substr(checked.size()), crc_bytes)) {
            result.problem = "a record is damaged";
            return result;
        }
        const auto entry = decode(static_cast<uint8_t>(rest[2]), Payload(checked.substr(head_bytes)));
        if (!entry) {
            result.problem = "a record is of no known kind";
            return result;
        }
        tell(*entry);
        ++result.records;
        at += record;
    }
}

}  // namespace eddy::journal
