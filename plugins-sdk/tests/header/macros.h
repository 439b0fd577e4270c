
/* Makes a function visible to the host. */
#if defined(_WIN32)
#define SIGTOOL_EXPORT __declspec(dllexport)
#else
#define SIGTOOL_EXPORT __attribute__((visibility("default")))
#endif

/* Puts the manifest, a string literal of TOML, where the host finds it without running anything. Once in a library. */
#if defined(_MSC_VER)
#define SIGTOOL_MANIFEST(text) \
    __pragma(section(".sigtool", read)) __declspec(allocate(".sigtool")) extern const char sigtool_manifest[] = text
#elif defined(__APPLE__)
#define SIGTOOL_MANIFEST(text) \
    __attribute__((used, section("__DATA,__sigtool"))) static const char sigtool_manifest[] = text
#else
#define SIGTOOL_MANIFEST(text) __attribute__((used, section(".sigtool"))) static const char sigtool_manifest[] = text
#endif
