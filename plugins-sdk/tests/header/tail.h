
#ifdef __cplusplus
extern "C" {
#endif

/* What a backend defines: returns its table, which lives as long as the process. */
SIGTOOL_EXPORT const sigtool_backend_v1_table *sigtool_backend_v1(void);

#ifdef __cplusplus
}
#endif

/* The layout, checked by your compiler. It holds for pointers of 32 and of 64 bits. */
#ifdef __cplusplus
#define SIGTOOL_ASSERT(what) static_assert(what, #what)
#else
#define SIGTOOL_ASSERT(what) _Static_assert(what, #what)
#endif
SIGTOOL_ASSERT(sizeof(sigtool_header) == 24);
SIGTOOL_ASSERT(offsetof(sigtool_header, magic) == 0);
SIGTOOL_ASSERT(offsetof(sigtool_header, struct_size) == 8);
SIGTOOL_ASSERT(offsetof(sigtool_header, abi_major) == 12);
SIGTOOL_ASSERT(offsetof(sigtool_header, abi_minor) == 14);
SIGTOOL_ASSERT(offsetof(sigtool_header, need_minor) == 16);
SIGTOOL_ASSERT(offsetof(sigtool_header, flags) == 18);
SIGTOOL_ASSERT(offsetof(sigtool_header, reserved) == 20);
SIGTOOL_ASSERT(sizeof(sigtool_slice) == 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_slice, len) == sizeof(void *));
SIGTOOL_ASSERT(sizeof(sigtool_buffer) == 4 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_buffer, len) == sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_buffer, cap) == 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_buffer, free) == 3 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, ctx) == 24);
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, trace) == 24 + sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, cancelled) == 24 + 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_host_v1, request) == 24 + 3 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, id) == 24);
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, build) == 24 + 2 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, create) == 24 + 4 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, call) == 24 + 5 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, cancel) == 24 + 6 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, destroy) == 24 + 7 * sizeof(void *));
SIGTOOL_ASSERT(offsetof(sigtool_backend_v1_table, extension) == 24 + 8 * sizeof(void *));
#undef SIGTOOL_ASSERT

