// The way from bytes to messages, as a fuzzer enters it: what comes in is either refused or is a message that can be
// sent on. Driven by fuzz_test.cpp in the normal suite; for libFuzzer compile this file with -fsanitize=fuzzer.
#include <cstdint>
#include <cstdlib>

#include "generators.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace eddy;
    using namespace eddy::transport;
    const auto bytes = std::as_bytes(std::span(data, size));
    // The first byte chooses the pieces in which the rest arrives.
    if (bytes.empty()) return 0;
    const size_t chunk = size_t{1} << (std::to_integer<unsigned>(bytes[0]) % 12);
    ReceiveBudget budget{.bytes_max = 1 << 20};
    const auto raw = testing::assemble(bytes.subspan(1), chunk, budget, 1 << 20);
    if (!raw) return 0;
    const auto packet = decode(raw.value());
    if (!packet) return 0;
    const auto* delivery = std::get_if<Delivery>(&packet.value());
    if (delivery == nullptr) return 1;
    // Every accepted tensor can be read to its end, and every accepted message is one this node could have sent.
    unsigned sum = 0;
    for (const auto& tensor : delivery->tensors)
        for (size_t i = 0; i < tensor.bytes.size(); ++i) sum += std::to_integer<unsigned>(tensor.bytes.data()[i]);
    if (sum == 0xffffffff) return 2;
    const auto again = encode(delivery->message, delivery->tensors);
    if (!again.ok()) std::abort();
    return 1;
}
