import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.ApiResponse;
import org.openapitools.client.api.UploadsApi;
import org.openapitools.client.model.BeginUpload;
import org.openapitools.client.model.InstantUpload;
import org.openapitools.client.model.InstantUploadResult;
import org.openapitools.client.model.InstantUploadResult.OutcomeEnum;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.UploadCredentials;

public class Program {
  interface Step {
    void run(UploadsApi api) throws Exception;
  }

  static void begin(UploadsApi api) throws Exception {
    Long size = 3L * 1024 * 1024 * 1024;
    ApiResponse<UploadCredentials> response =
        api.beginUploadWithHttpInfo(
            new BeginUpload().path("java/movie.mp4").size(size), UUID.randomUUID().toString());
    UploadCredentials credentials = response.getData();
    System.out.println("begin.uploadId=" + credentials.getUploadId());
    System.out.println("begin.confirmKey=" + credentials.getConfirmKey());
    System.out.println("begin.authorization=" + credentials.getHeaders().get("Authorization"));
    System.out.println("begin.location=" + response.getHeaders().get("location").get(0));
    System.out.println("begin.expires=" + response.getHeaders().get("upload-expires").get(0));
  }

  static InstantUpload known() {
    return new InstantUpload()
        .path("java/copy.bin")
        .size(Long.valueOf(System.getenv("KNOWN_SIZE")))
        .beginningHash(System.getenv("KNOWN_BEGINNING_HASH"));
  }

  static void instant(UploadsApi api) throws Exception {
    InstantUploadResult first = api.instantUpload(known(), null);
    if (first.getOutcome() == OutcomeEnum.FULL_HASH_REQUIRED) {
      System.out.println("instant.first=" + first.getOutcome().getValue());
    }
    InstantUploadResult second =
        api.instantUpload(known().fullHash(System.getenv("KNOWN_FULL_HASH")), null);
    if (second.getOutcome() == OutcomeEnum.STORED) {
      System.out.println("instant.second=" + second.getOutcome().getValue());
    }
    Long size = second.getFile().getSize();
    System.out.println("instant.size=" + size);
    InstantUploadResult third = api.instantUpload(known().beginningHash("0".repeat(64)), null);
    if (third.getOutcome() == OutcomeEnum.UPLOAD_REQUIRED) {
      System.out.println("instant.third=" + third.getOutcome().getValue());
    }
    System.out.println("instant.confirmKey=" + third.getCredentials().getConfirmKey());
  }

  static void problem(UploadsApi api) throws Exception {
    try {
      api.beginUpload(new BeginUpload().path("java/%2e%2e/movie.mp4").size(1L), null);
    } catch (ApiException error) {
      Problem problem =
          ApiClient.createDefaultObjectMapper().readValue(error.getResponseBody(), Problem.class);
      System.out.println("problem.status=" + problem.getStatus());
      System.out.println("problem.code=" + problem.getCode());
      System.out.println("problem.field=" + problem.getErrors().get(0).getField());
    }
  }

  public static void main(String[] arguments) {
    ApiClient client = new ApiClient();
    client.updateBaseUri(System.getenv("GATEWAY_URL"));
    client.setRequestInterceptor(
        request -> request.header("Authorization", "Bearer " + System.getenv("TOKEN")));
    UploadsApi api = new UploadsApi(client);
    for (Step step : new Step[] {Program::begin, Program::instant, Program::problem}) {
      try {
        step.run(api);
      } catch (Exception error) {
        error.printStackTrace();
      }
    }
  }
}
