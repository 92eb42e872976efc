import com.squareup.moshi.adapter
import java.util.UUID
import org.openapitools.client.apis.UploadsApi
import org.openapitools.client.infrastructure.ApiClient
import org.openapitools.client.infrastructure.ClientError
import org.openapitools.client.infrastructure.ClientException
import org.openapitools.client.infrastructure.Serializer
import org.openapitools.client.infrastructure.Success
import org.openapitools.client.models.BeginUpload
import org.openapitools.client.models.InstantUpload
import org.openapitools.client.models.InstantUploadResult.Outcome
import org.openapitools.client.models.Problem
import org.openapitools.client.models.UploadCredentials

fun env(name: String): String = System.getenv(name) ?: error("$name is not set")

fun begin(api: UploadsApi) {
    val size: Long = 3L * 1024 * 1024 * 1024
    val wanted = BeginUpload(path = "kotlin/movie.mp4", propertySize = size, metadata = mapOf("origin" to "kotlin"))
    val key = UUID.randomUUID().toString()
    val response = api.beginUploadWithHttpInfo(wanted, idempotencyKey = key)
    val credentials: UploadCredentials = (response as Success<UploadCredentials?>).data!!
    println("begin.uploadId=${credentials.uploadId}")
    println("begin.confirmKey=${credentials.confirmKey}")
    println("begin.authorization=${credentials.headers["Authorization"]}")
    println("begin.location=${response.headers.entries.first { it.key.equals("Location", true) }.value.first()}")
    println("begin.expires=${response.headers.entries.first { it.key.equals("Upload-Expires", true) }.value.first()}")
}

fun instant(api: UploadsApi) {
    val known = InstantUpload(
        path = "kotlin/copy.bin",
        propertySize = env("KNOWN_SIZE").toLong(),
        beginningHash = env("KNOWN_BEGINNING_HASH"),
    )
    val first = api.instantUpload(known)
    if (first.outcome == Outcome.full_hash_required) println("instant.first=${first.outcome.value}")
    val second = api.instantUpload(known.copy(fullHash = env("KNOWN_FULL_HASH")))
    if (second.outcome == Outcome.stored) println("instant.second=${second.outcome.value}")
    println("instant.size=${second.file!!.propertySize}")
    val third = api.instantUpload(known.copy(beginningHash = "0".repeat(64)))
    if (third.outcome == Outcome.upload_required) println("instant.third=${third.outcome.value}")
    println("instant.confirmKey=${third.credentials!!.confirmKey}")
}

@OptIn(ExperimentalStdlibApi::class)
fun problem(api: UploadsApi) {
    try {
        api.beginUpload(BeginUpload(path = "kotlin/%2e%2e/movie.mp4", propertySize = 1L))
    } catch (error: ClientException) {
        val body = (error.response as ClientError<*>).body as String
        val problem: Problem = Serializer.moshi.adapter<Problem>().fromJson(body)!!
        println("problem.status=${problem.status}")
        println("problem.code=${problem.code}")
        println("problem.field=${problem.errors!!.first().`field`}")
    }
}

fun main() {
    ApiClient.accessToken = env("TOKEN")
    val api = UploadsApi(env("GATEWAY_URL"))
    for (step in listOf(::begin, ::instant, ::problem)) {
        runCatching { step(api) }.onFailure { it.printStackTrace() }
    }
    // Otherwise the threads of OkHttp keep the process for a minute.
    System.exit(0)
}
