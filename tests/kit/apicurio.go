package kit

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ApicurioVersion is the Apicurio Registry that tests run.
const ApicurioVersion = "2.6.13.Final"

// Apicurio starts a real schema registry, with what it is given in memory, and returns the
// URL at which it speaks Confluent's API. It lets a schema follow another if it can read
// what that has written. It ends with the test.
func Apicurio(t testing.TB) string {
	t.Helper()
	const advice = "install Java 17 or later and Maven (Debian: apt-get install default-jre-headless maven)"
	if _, err := exec.LookPath("java"); err != nil {
		Missing(t, "no java for a real schema registry: %s", advice)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal("kit: no cache folder for Apicurio:", err)
	}
	dir := filepath.Join(cache, "tidemark-test", "apicurio-"+ApicurioVersion)
	if err := once(dir, fetchApicurio); err != nil {
		Missing(t, "Apicurio could not be fetched, %s: %v", advice, err)
	}
	address := FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	Start(t, Command{Path: "java", Dir: dir, Args: []string{
		"-Xmx300m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port=" + port,
		"-jar", "apicurio-registry-app-" + ApicurioVersion + "-runner.jar",
	}})
	url := "http://" + address + "/apis/ccompat/v7"
	Eventually(t, serverPatience, func() (bool, string) { return backward(url) })
	return url
}

// backward sets the level of compatibility: a new registry has none.
func backward(url string) (bool, string) {
	req, err := http.NewRequest(http.MethodPut, url+"/config", strings.NewReader(`{"compatibility":"BACKWARD"}`))
	if err != nil {
		return false, err.Error()
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return false, err.Error()
	}
	return res.StatusCode == http.StatusOK, fmt.Sprint(res.Status, res.Body.Close())
}

func fetchApicurio(dir string) error {
	if err := maven("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy", "-DoutputDirectory="+dir,
		"-Dartifact=io.apicurio:apicurio-registry-app:"+ApicurioVersion+":tar.gz:all"); err != nil {
		return err
	}
	archive := filepath.Join(dir, "apicurio-registry-app-"+ApicurioVersion+"-all.tar.gz")
	if out, err := exec.Command("tar", "-xzf", archive, "-C", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("tar: %w\n%s", err, out)
	}
	return os.Remove(archive)
}
